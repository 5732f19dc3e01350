/* Layers that treat the steps of a sequence alike. A sequence is (step, feature) units of `ld` examples each. */
#pragma once
#include "layers.h"
#include "matrix.h"

/* The first `n` examples of v, which begins with example `l`; beyond them there may be anything, and comes zero. */
INLINE V counted(V v, int64_t l, int64_t n) {
    for (int64_t k = n > l ? n - l : 0; k < WIDTH; k++) v[k] = 0;
    return v;
}

/* sums (rows, WIDTH) += d (rows, ld), vector by vector: their totals are the sums over the examples. */
INLINE void collect(int64_t rows, int64_t n, int64_t ld, const float *d, float *sums) {
    for (int64_t r = 0; r < rows; r++) {
        V sum = load(sums + r * WIDTH);
        for (int64_t l = 0; l + WIDTH <= n; l += WIDTH) sum += load(d + r * ld + l);
        if (n % WIDTH) sum += counted(load(d + r * ld + n - n % WIDTH), n - n % WIDTH, n);
        store(sums + r * WIDTH, sum);
    }
}

INLINE void put_totals(int64_t rows, const float *sums, float *gradient) {
    for (int64_t r = 0; r < rows; r++) gradient[r] = total(load(sums + r * WIDTH));
}

INLINE void add(int64_t count, const float *x, float *y) {
    for (int64_t i = 0; i < count; i += WIDTH) store(y + i, load(y + i) + load(x + i));
}

/* gradient of a weight (rows, columns) += d (rows, n) · values (columns, ld)ᵀ. */
PART void join(int64_t rows, int64_t columns, int64_t n, int64_t ld, const float *d, const float *values,
               float *gradient, float *turned) {
    const int64_t wide = padded(columns);
    transpose(wide, ld, values, ld, turned, wide);
    accumulate(rows, columns, n, d, ld, 1, turned, wide, gradient, columns);
}

/* y (steps, features) = the rows of the table that x (steps,) names (Bengio et al. 2003). */
PART void look_up(const Layer *layer, int64_t n, int64_t ld, const float *table, const float *x, float *y, float *panel) {
    const int64_t features = layer->features, wide = padded(features);
    memset(panel, 0, sizeof(float) * (size_t)(wide * ld));
    for (int64_t t = 0; t < layer->steps; t++) {
        for (int64_t r = 0; r < n; r++)
            memcpy(panel + r * wide, table + (int64_t)x[t * ld + r] * features, sizeof(float) * (size_t)features);
        transpose(ld, wide, panel, wide, y + t * features * ld, ld);
    }
}

/* The gradient by the table: every row gathers what comes back to where it was looked up. */
PART void look_up_back(const Layer *layer, int64_t n, int64_t ld, const float *x, const float *d, float *gradient,
                       float *panel) {
    const int64_t features = layer->features, wide = padded(features);
    memset(gradient, 0, sizeof(float) * (size_t)(layer->rows * features));
    for (int64_t t = 0; t < layer->steps; t++) {
        transpose(wide, ld, d + t * features * ld, ld, panel, wide);
        for (int64_t r = 0; r < n; r++) {
            float *row = gradient + (int64_t)x[t * ld + r] * features;
            for (int64_t k = 0; k < features; k++) row[k] += panel[r * wide + k];
        }
    }
}

/* y = x + table (units,): the same for all examples. */
PART void place(const Layer *layer, int64_t ld, const float *table, const float *x, float *y) {
    for (int64_t u = 0; u < layer->outputs; u++)
        for (int64_t l = 0; l < ld; l += WIDTH) store(y + u * ld + l, load(x + u * ld + l) + table[u]);
}

PART void place_back(const Layer *layer, int64_t n, int64_t ld, const float *d, float *gradient) {
    for (int64_t u = 0; u < layer->outputs; u++) gradient[u] = sum_rows(1, n, ld, d + u * ld);
}

/* y (features,) = the mean of x (steps, features) over the steps. */
PART void average(const Layer *layer, int64_t ld, const float *x, float *y) {
    const int64_t part = layer->outputs * ld;
    memcpy(y, x, sizeof(float) * (size_t)part);
    for (int64_t t = 1; t < layer->steps; t++) add(part, x + t * part, y);
    for (int64_t i = 0; i < part; i += WIDTH) store(y + i, load(y + i) / (float)layer->steps);
}

PART void average_back(const Layer *layer, int64_t ld, const float *d, float *below) {
    const int64_t part = layer->outputs * ld;
    for (int64_t t = 0; t < layer->steps; t++)
        for (int64_t i = 0; i < part; i += WIDTH) store(below + t * part + i, load(d + i) / (float)layer->steps);
}

/* The same dense layer at each step. */
PART void project(const Layer *layer, int64_t ld, const float *weight, const float *bias, const float *x, float *y) {
    const int64_t in = layer->features, out = layer->hidden;
    for (int64_t t = 0; t < layer->steps; t++)
        multiply(out, ld, in, weight, in, 1, x + t * in * ld, ld, y + t * out * ld, ld, bias);
}

PART void project_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *x,
                       const float *d, float *below, float *panel) {
    const int64_t in = layer->features, out = layer->hidden;
    float *sums = panel, *turned = panel + out * WIDTH;
    memset(sums, 0, sizeof(float) * (size_t)(out * WIDTH));
    memset(gradient + layer->weight, 0, sizeof(float) * (size_t)(in * out));
    for (int64_t t = 0; t < layer->steps; t++) {
        const float *by = d + t * out * ld;
        join(out, in, n, ld, by, x + t * in * ld, gradient + layer->weight, turned);
        collect(out, n, ld, by, sums);
        if (below) multiply(in, ld, out, weights + layer->weight, 1, in, by, ld, below + t * in * ld, ld, 0);
    }
    if (layer->bias >= 0) put_totals(out, sums, gradient + layer->bias);
}

/* Floats that the functions above need as `panel`. */
INLINE int64_t tokens_size(const Layer *layer, int64_t ld) {
    return padded(layer->features) * ld + layer->hidden * WIDTH;
}

/* y (columns, rows) = x (rows, columns), of units. */
PART void swap(int64_t rows, int64_t columns, int64_t ld, const float *x, float *y) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            memcpy(y + (c * rows + r) * ld, x + (r * columns + c) * ld, sizeof(float) * (size_t)ld);
}
