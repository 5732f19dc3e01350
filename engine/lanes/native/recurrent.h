/* Layers with a memory, read from the first step to the last, with torch's gates and its two biases: the RNN of Elman
   (1990), the LSTM of Hochreiter & Schmidhuber (1997) and the GRU of Cho et al. (2014). A sequence is (step, feature)
   units of `ld` examples each. `h` is the size of the memory. */
#pragma once
#include "tokens.h"

/* Blocks of h rows, each (h, ld). A step leaves `kept` of them for the way back, the memory last; the first `gates` come
   from the inputs of the step, the first `both` of these from the memory before as well, as torch has them in its
   weights. The GRU's n takes of that but a part: W h + b, which is block 3. */
typedef struct {
    int64_t gates, both, kept;
} Cell;

INLINE Cell cell_of(const Layer *layer) {
    switch (layer->kind) {
    case LSTM: return (Cell){4, 4, 6}; /* i, f, g, o; cell; memory */
    case GRU: return (Cell){3, 2, 5};  /* r, z, n; what the memory before gives n; memory */
    }
    return (Cell){1, 1, 2};
}

INLINE void lstm(int64_t part, float *gates, const float *before) {
    for (int64_t k = 0; k < part; k += WIDTH) {
        V i = vsigmoid(load(gates + k)), f = vsigmoid(load(gates + part + k));
        V g = vtanh(load(gates + 2 * part + k)), o = vsigmoid(load(gates + 3 * part + k));
        V c = before ? f * load(before + k) + i * g : i * g;
        store(gates + k, i);
        store(gates + part + k, f);
        store(gates + 2 * part + k, g);
        store(gates + 3 * part + k, o);
        store(gates + 4 * part + k, c);
        store(gates + 5 * part + k, o * vtanh(c));
    }
}

INLINE void gru(int64_t part, float *gates, const float *memory) {
    for (int64_t k = 0; k < part; k += WIDTH) {
        V r = vsigmoid(load(gates + k)), z = vsigmoid(load(gates + part + k));
        V n = vtanh(load(gates + 2 * part + k) + r * load(gates + 3 * part + k));
        store(gates + k, r);
        store(gates + part + k, z);
        store(gates + 2 * part + k, n);
        store(gates + 4 * part + k, memory ? n + z * (load(memory + k) - n) : n - z * n);
    }
}

/* kept = what all steps leave; y = the memory after each, or after the last of them. `panel`: 4 h floats. */
PART void remember(const Layer *layer, int64_t ld, const float *weights, const float *x, float *y, float *kept,
                   float *panel) {
    const Cell cell = cell_of(layer);
    const int64_t h = layer->hidden, part = h * ld, both = cell.both * h;
    const float *own = weights + layer->hidden_weight + both * h; /* GRU: by which n takes of the memory */
    for (int64_t k = 0; k < 4 * h; k++) {
        const float in = layer->bias < 0 || k >= cell.gates * h ? 0 : weights[layer->bias + k];
        panel[k] = in + (layer->bias < 0 || k >= both ? 0 : weights[layer->hidden_bias + k]);
    }
    if (layer->kind == GRU && layer->bias >= 0)
        memcpy(panel + 3 * h, weights + layer->hidden_bias + both, sizeof(float) * (size_t)h);
    for (int64_t t = 0; t < layer->steps; t++) {
        float *gates = kept + t * cell.kept * part, *memory = gates + (cell.kept - 1) * part;
        const float *before = t ? gates - part : 0, *in = x + t * layer->features * ld;
        multiply(cell.gates * h, ld, layer->features, weights + layer->weight, layer->features, 1, in, ld, gates, ld,
                 panel);
        if (t) accumulate(both, ld, h, weights + layer->hidden_weight, h, 1, before, ld, gates, ld);
        if (layer->kind == LSTM)
            lstm(part, gates, t ? gates - 2 * part : 0);
        else if (layer->kind == GRU) {
            multiply(h, ld, t ? h : 0, own, h, 1, before, ld, gates + 3 * part, ld, panel + 3 * h);
            gru(part, gates, before);
        } else
            activate(&(Layer){.kind = layer->activation}, part, gates, memory);
        if (layer->sequence || t == layer->steps - 1)
            memcpy(y + (layer->sequence ? t * part : 0), memory, sizeof(float) * (size_t)part);
    }
}

/* The gradients by the gates of a step, in their place, from that by its memory `dh` and by its cell `dc`, which
   becomes that by the cell before. */
PART void lstm_back(int64_t part, float *gates, const float *before, const float *dh, float *dc) {
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

/* Likewise; `past` becomes what goes to the memory before without a gate. */
PART void gru_back(int64_t part, float *gates, const float *memory, const float *dh, float *past) {
    for (int64_t k = 0; k < part; k += WIDTH) {
        V r = load(gates + k), z = load(gates + part + k), n = load(gates + 2 * part + k);
        V by = load(dh + k), by_n = by * (1.f - z) * (1.f - n * n);
        store(gates + k, by_n * load(gates + 3 * part + k) * r * (1.f - r));
        store(gates + part + k, by * ((memory ? load(memory + k) : all(0.f)) - n) * z * (1.f - z));
        store(gates + 2 * part + k, by_n);
        store(gates + 3 * part + k, by_n * r);
        store(past + k, by * z);
    }
}

/* Floats that the way back needs as `panel`. */
INLINE int64_t memory_size(const Layer *layer, int64_t ld) {
    const int64_t most = layer->hidden > layer->features ? layer->hidden : layer->features;
    return 4 * layer->hidden * WIDTH + (2 * layer->hidden + padded(most)) * ld;
}

/* dh = the gradient by the memory of a step, from those by the gates of the step `later`; `past` as of gru_back. */
PART void recall(const Layer *layer, int64_t ld, const float *weights, const float *later, const float *past, float *dh) {
    const int64_t h = layer->hidden, both = cell_of(layer).both * h;
    multiply(h, ld, both, weights + layer->hidden_weight, 1, h, later, ld, dh, ld, 0);
    if (layer->kind != GRU) return;
    accumulate(h, ld, h, weights + layer->hidden_weight + both * h, 1, h, later + 3 * h * ld, ld, dh, ld);
    add(h * ld, past, dh);
}

INLINE void put_biases(const Layer *layer, const float *sums, float *gradient) {
    const Cell cell = cell_of(layer);
    const int64_t h = layer->hidden, both = cell.both * h;
    if (layer->bias < 0) return;
    put_totals(cell.gates * h, sums, gradient + layer->bias);
    put_totals(both, sums, gradient + layer->hidden_bias);
    if (layer->kind == GRU) put_totals(h, sums + 3 * h * WIDTH, gradient + layer->hidden_bias + both);
}

/* Gradients of all weights from d, of the memories or the last of them; that by x goes to `below`, if there is one. */
PART void remember_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *x,
                        float *kept, const float *d, float *below, float *panel) {
    const Cell cell = cell_of(layer);
    const int64_t h = layer->hidden, part = h * ld, features = layer->features, rows = cell.gates * h, both = cell.both * h;
    float *bias = panel, *dh = bias + 4 * h * WIDTH, *dc = dh + part, *turned = dc + part;
    float *by_hidden = gradient + layer->hidden_weight;
    memset(bias, 0, sizeof(float) * (size_t)(4 * h * WIDTH));
    memset(dc, 0, sizeof(float) * (size_t)part);
    memset(gradient + layer->weight, 0, sizeof(float) * (size_t)(rows * features));
    memset(by_hidden, 0, sizeof(float) * (size_t)(rows * h));
    for (int64_t t = layer->steps - 1; t >= 0; t--) {
        float *gates = kept + t * cell.kept * part;
        const float *before = t ? gates - part : 0, *memory = gates + (cell.kept - 1) * part;
        if (t == layer->steps - 1)
            memcpy(dh, d + (layer->sequence ? t * part : 0), sizeof(float) * (size_t)part);
        else {
            recall(layer, ld, weights, gates + cell.kept * part, dc, dh);
            if (layer->sequence) add(part, d + t * part, dh);
        }
        if (layer->kind == LSTM)
            lstm_back(part, gates, t ? gates - 2 * part : 0, dh, dc);
        else if (layer->kind == GRU)
            gru_back(part, gates, before, dh, dc);
        else {
            memcpy(gates, dh, sizeof(float) * (size_t)part);
            activate_backward(&(Layer){.kind = layer->activation}, part, memory, memory, gates);
        }
        collect(layer->kind == GRU ? 4 * h : rows, n, ld, gates, bias);
        join(rows, features, n, ld, gates, x + t * features * ld, gradient + layer->weight, turned);
        if (t) join(both, h, n, ld, gates, before, by_hidden, turned);
        if (t && layer->kind == GRU) join(h, h, n, ld, gates + 3 * part, before, by_hidden + both * h, turned);
        if (below)
            multiply(features, ld, rows, weights + layer->weight, 1, features, gates, ld, below + t * features * ld, ld, 0);
    }
    put_biases(layer, bias, gradient);
}
