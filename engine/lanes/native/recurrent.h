/* The LSTM of Hochreiter & Schmidhuber (1997) with torch's gates i, f, g, o and its two biases, read from the first
   step to the last. A sequence is (step, feature) units of `ld` examples each. */
#pragma once
#include "tokens.h"

/* What a step leaves for the way back, (units, ld) each: gates (4 hidden), cell and output (hidden). */
INLINE float *gates_at(const Layer *layer, float *kept, int64_t ld, int64_t t) { return kept + t * 6 * layer->hidden * ld; }

/* kept = gates, cells and outputs of all steps; y = the outputs, or the last of them. `panel`: 4 hidden floats. */
PART void remember(const Layer *layer, int64_t ld, const float *weights, const float *x, float *y, float *kept,
                   float *panel) {
    const int64_t h = layer->hidden, part = h * ld;
    for (int64_t k = 0; k < 4 * h; k++)
        panel[k] = layer->bias < 0 ? 0 : weights[layer->bias + k] + weights[layer->hidden_bias + k];
    for (int64_t t = 0; t < layer->steps; t++) {
        float *gates = gates_at(layer, kept, ld, t), *cell = gates + 4 * part, *out = gates + 5 * part;
        const float *before = cell - 6 * part; /* the cell of the step before */
        const float *in = x + t * layer->features * ld;
        multiply(4 * h, ld, layer->features, weights + layer->weight, layer->features, 1, in, ld, gates, ld, panel);
        if (t) accumulate(4 * h, ld, h, weights + layer->hidden_weight, h, 1, before + part, ld, gates, ld);
        for (int64_t k = 0; k < part; k += WIDTH) {
            V i = vsigmoid(load(gates + k)), f = vsigmoid(load(gates + part + k));
            V g = vtanh(load(gates + 2 * part + k)), o = vsigmoid(load(gates + 3 * part + k));
            V c = t ? f * load(before + k) + i * g : i * g;
            store(gates + k, i);
            store(gates + part + k, f);
            store(gates + 2 * part + k, g);
            store(gates + 3 * part + k, o);
            store(cell + k, c);
            store(out + k, o * vtanh(c));
        }
        if (layer->sequence || t == layer->steps - 1)
            memcpy(y + (layer->sequence ? t * part : 0), out, sizeof(float) * (size_t)part);
    }
}

/* The gradients by the gates of step t, in their place, from that by its output `dh` and by its cell `dc`, which
   becomes that by the cell before. */
PART void forget(int64_t part, float *gates, const float *before, const float *dh, float *dc) {
    for (int64_t k = 0; k < part; k += WIDTH) {
        V i = load(gates + k), f = load(gates + part + k), g = load(gates + 2 * part + k), o = load(gates + 3 * part + k);
        V shown = vtanh(load(gates + 4 * part + k)), by_out = load(dh + k);
        V by_cell = load(dc + k) + by_out * o * (1.f - shown * shown);
        store(gates + k, by_cell * g * i * (1.f - i));
        store(gates + part + k, before ? by_cell * load(before + k) * f * (1.f - f) : all(0.f));
        store(gates + 2 * part + k, by_cell * i * (1.f - g * g));
        store(gates + 3 * part + k, by_out * shown * o * (1.f - o));
        store(dc + k, by_cell * f);
    }
}

/* Floats that the way back needs as `panel`. */
INLINE int64_t memory_size(const Layer *layer, int64_t ld) {
    const int64_t most = layer->hidden > layer->features ? layer->hidden : layer->features;
    return 4 * layer->hidden * WIDTH + (2 * layer->hidden + padded(most)) * ld;
}

/* Gradients of all weights from d, of the outputs or the last of them; that by x goes to `below`, if there is one. */
PART void remember_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *x,
                        float *kept, const float *d, float *below, float *panel) {
    const int64_t h = layer->hidden, part = h * ld, features = layer->features;
    float *bias = panel, *dh = bias + 4 * h * WIDTH, *dc = dh + part, *turned = dc + part;
    memset(bias, 0, sizeof(float) * (size_t)(4 * h * WIDTH));
    memset(dc, 0, sizeof(float) * (size_t)part);
    memset(gradient + layer->weight, 0, sizeof(float) * (size_t)(4 * h * features));
    memset(gradient + layer->hidden_weight, 0, sizeof(float) * (size_t)(4 * h * h));
    for (int64_t t = layer->steps - 1; t >= 0; t--) {
        float *gates = gates_at(layer, kept, ld, t);
        const float *later = gates + 6 * part, *before = t ? gates - 2 * part : 0; /* gates after; cell before */
        if (t == layer->steps - 1)
            memcpy(dh, d + (layer->sequence ? t * part : 0), sizeof(float) * (size_t)part);
        else {
            multiply(h, ld, 4 * h, weights + layer->hidden_weight, 1, h, later, ld, dh, ld, 0);
            if (layer->sequence)
                for (int64_t k = 0; k < part; k += WIDTH) store(dh + k, load(dh + k) + load(d + t * part + k));
        }
        forget(part, gates, before, dh, dc);
        collect(4 * h, n, ld, gates, bias);
        join(4 * h, features, n, ld, gates, x + t * features * ld, gradient + layer->weight, turned);
        if (t) join(4 * h, h, n, ld, gates, before + part, gradient + layer->hidden_weight, turned);
        if (below)
            multiply(features, ld, 4 * h, weights + layer->weight, 1, features, gates, ld, below + t * features * ld, ld, 0);
    }
    if (layer->bias >= 0)
        for (int64_t r = 0; r < 4 * h; r++)
            gradient[layer->bias + r] = gradient[layer->hidden_bias + r] = total(load(bias + r * WIDTH));
}
