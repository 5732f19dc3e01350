/* Layer normalization over the features of each step (Ba, Kiros & Hinton 2016):
   y = (x − mean) / √(var + ε) · γ + β. A step is (units, ld). */
#pragma once
#include <math.h>
#include "tokens.h"

/* What a step leaves for the way back: (x − mean) / √(var + ε), (units, ld), then 1 / √(var + ε), (ld,). */
PART void standardise(int64_t units, int64_t ld, double eps, const float *x, float *normal) {
    for (int64_t l = 0; l < ld; l += WIDTH) {
        V mean = all(0.f), square = all(0.f);
        for (int64_t u = 0; u < units; u++) mean += load(x + u * ld + l);
        mean /= (float)units;
        for (int64_t u = 0; u < units; u++) {
            V off = load(x + u * ld + l) - mean;
            square += off * off;
        }
        V root = square / (float)units + (float)eps;
        for (int k = 0; k < WIDTH; k++) root[k] = sqrtf(root[k]);
        V factor = 1.f / root;
        store(normal + units * ld + l, factor);
        for (int64_t u = 0; u < units; u++) store(normal + u * ld + l, (load(x + u * ld + l) - mean) * factor);
    }
}

/* y = normal · γ + β; without γ (null) y = normal, without β there is none. */
PART void rescale(int64_t units, int64_t ld, const float *normal, const float *gain, const float *shift, float *y) {
    for (int64_t u = 0; u < units; u++) {
        const V factor = all(gain ? gain[u] : 1.f), offset = all(shift ? shift[u] : 0.f);
        for (int64_t l = 0; l < ld; l += WIDTH) store(y + u * ld + l, load(normal + u * ld + l) * factor + offset);
    }
}

/* The gradient by x, from d by y. `sums` (2 units, WIDTH) gathers those by γ and β. */
PART void standardise_back(int64_t units, int64_t n, int64_t ld, const float *normal, const float *gain, const float *d,
                           float *below, float *sums) {
    collect(units, n, ld, d, sums + units * WIDTH);
    for (int64_t l = 0; l < ld; l += WIDTH) {
        V mean = all(0.f), along = all(0.f);
        for (int64_t u = 0; u < units; u++) {
            V by = load(d + u * ld + l), at = load(normal + u * ld + l), share = by * at;
            store(sums + u * WIDTH, load(sums + u * WIDTH) + (l + WIDTH <= n ? share : counted(share, l, n)));
            if (gain) by *= gain[u], share *= gain[u];
            mean += by;
            along += share;
        }
        mean /= (float)units;
        along /= (float)units;
        const V factor = load(normal + units * ld + l);
        for (int64_t u = 0; u < units; u++) {
            V by = load(d + u * ld + l) * (gain ? gain[u] : 1.f);
            store(below + u * ld + l, (by - mean - load(normal + u * ld + l) * along) * factor);
        }
    }
}

PART void norm(const Layer *layer, int64_t ld, const float *gain, const float *shift, const float *x, float *y,
               float *kept) {
    const int64_t units = layer->features;
    for (int64_t t = 0; t < layer->steps; t++, x += units * ld, y += units * ld, kept += (units + 1) * ld) {
        standardise(units, ld, layer->eps, x, kept);
        rescale(units, ld, kept, gain, shift, y);
    }
}

PART void norm_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *d,
                    float *below, const float *kept, float *panel) {
    const int64_t units = layer->features;
    memset(panel, 0, sizeof(float) * (size_t)(2 * units * WIDTH));
    const float *gain = layer->weight < 0 ? 0 : weights + layer->weight;
    for (int64_t t = 0; t < layer->steps; t++)
        standardise_back(units, n, ld, kept + t * (units + 1) * ld, gain, d + t * units * ld, below + t * units * ld, panel);
    if (layer->weight >= 0) put_totals(units, panel, gradient + layer->weight);
    if (layer->bias >= 0) put_totals(units, panel + units * WIDTH, gradient + layer->bias);
}
