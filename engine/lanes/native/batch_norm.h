/* Batch normalization (Ioffe & Szegedy 2015): y = (x − mean) / √(var + ε) · γ + β, each channel over the examples of the
   batch and all of its places. A channel is (places, ld). */
#pragma once
#include <math.h>
#include "tokens.h"

enum { BLOCK = 16 }; /* rows that are summed in single precision */

/* Σ a b over the first `n` of each of `rows` rows of `ld`; without b (null) Σ a. */
PART double inner(int64_t rows, int64_t n, int64_t ld, const float *a, const float *b) {
    const int64_t whole = n / WIDTH * WIDTH;
    double sum = 0;
    for (int64_t start = 0; start < rows; start += BLOCK) {
        V part = all(0.f);
        for (int64_t r = start; r < rows && r < start + BLOCK; r++) {
            const float *u = a + r * ld, *v = b ? b + r * ld : 0;
            for (int64_t l = 0; l < whole; l += WIDTH) part += v ? load(u + l) * load(v + l) : load(u + l);
            if (whole < n) part += counted(v ? load(u + whole) * load(v + whole) : load(u + whole), whole, n);
        }
        sum += total(part);
    }
    return sum;
}

INLINE void drift(float *average, double share, double to) { *average += (float)(share * (to - *average)); }

/* What it leaves for the way back: (x − mean) / √(var + ε) of all channels, then a row for each that begins with its
   1 / √(var + ε). The running averages of mean and var move by `slope`, towards n/(n − 1) var as torch's do. */
PART void batch_norm(const Layer *layer, int64_t n, int64_t ld, const float *gain, const float *shift, const float *x,
                     float *y, float *kept) {
    const int64_t places = layer->outputs / layer->channels, part = places * ld;
    const double count = (double)(n * places);
    float *factors = kept + layer->outputs * ld;
    for (int64_t c = 0; c < layer->channels; c++, x += part, y += part, kept += part) {
        const float about = (float)(inner(places, n, ld, x, 0) / count);
        for (int64_t i = 0; i < part; i += WIDTH) store(kept + i, load(x + i) - about);
        const double rest = inner(places, n, ld, kept, 0) / count; /* far from 0 the first sum has lost it */
        const double variance = inner(places, n, ld, kept, kept) / count - rest * rest;
        const float factor = factors[c * ld] = (float)(1 / sqrt(variance + layer->eps));
        const float scale = gain ? gain[c] : 1.f, offset = shift ? shift[c] : 0.f;
        for (int64_t i = 0; i < part; i += WIDTH) {
            const V normal = (load(kept + i) - (float)rest) * factor;
            store(kept + i, normal);
            store(y + i, normal * scale + offset);
        }
        drift(layer->averages[0] + c, layer->slope, about + rest);
        drift(layer->averages[1] + c, layer->slope, variance * count / (count - 1));
    }
}

/* Gradients by γ and β from d by y, and that by x to `below`. */
PART void batch_norm_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *d,
                          float *below, const float *kept) {
    const int64_t places = layer->outputs / layer->channels, part = places * ld;
    const float count = (float)(n * places), *factors = kept + layer->outputs * ld;
    for (int64_t c = 0; c < layer->channels; c++, d += part, below += part, kept += part) {
        const float sum = (float)inner(places, n, ld, d, 0), along = (float)inner(places, n, ld, d, kept);
        const float factor = factors[c * ld] * (layer->weight < 0 ? 1.f : weights[layer->weight + c]);
        for (int64_t i = 0; i < part; i += WIDTH)
            store(below + i, (load(d + i) - sum / count - load(kept + i) * (along / count)) * factor);
        if (layer->weight >= 0) gradient[layer->weight + c] = along;
        if (layer->bias >= 0) gradient[layer->bias + c] = sum;
    }
}
