/* Losses of a batch, and their gradients by the outputs of the network. See engine/losses.py for what they mean. */
#pragma once
#include <math.h>
#include "vector.h"

enum { CROSS_ENTROPY, MSE, MAE, HUBER, BCE };

/* o and d are (classes, ld), one column per example; the first `rows` of the columns count. */
PART double cross_entropy(int64_t rows, int64_t classes, int64_t ld, const float *o, const int64_t *labels,
                          const int64_t *index, float smoothing, float *d) {
    double sum = 0;
    const float share = 1.f / (float)rows;
    for (int64_t j = 0; j < ld; j += WIDTH) {
        V top = load(o + j), exps = all(0.f), outputs = all(0.f);
        for (int64_t k = 1; k < classes; k++) top = larger(load(o + k * ld + j), top);
        for (int64_t k = 0; k < classes; k++) {
            V value = load(o + k * ld + j), e = vexp(value - top);
            exps += e;
            outputs += value;
            store(d + k * ld + j, e);
        }
        V factor = share / exps;
        for (int64_t k = 0; k < classes; k++)
            store(d + k * ld + j, load(d + k * ld + j) * factor - share * smoothing / (float)classes);
        for (int64_t r = j; r < rows && r < j + WIDTH; r++) {
            int64_t label = labels[index[r]];
            float log_sum = logf(exps[r - j]) + top[r - j];
            sum += (1.f - smoothing) * (log_sum - o[label * ld + r]);
            if (smoothing > 0) sum += smoothing * (log_sum - outputs[r - j] / (float)classes);
            d[label * ld + r] -= share * (1.f - smoothing);
        }
    }
    return (float)sum / (double)rows;
}

INLINE float of_difference(int64_t kind, float o, float t, float *slope) {
    float e = o - t, length = fabsf(e);
    switch (kind) {
    case MSE: *slope = 2 * e; return e * e;
    case MAE: *slope = (float)((e > 0) - (e < 0)); return length;
    case HUBER: *slope = length <= 1 ? e : copysignf(1, e); return length <= 1 ? 0.5f * e * e : length - 0.5f;
    default: /* BCE of sigmoid(o) */ *slope = 1 / (1 + expf(-o)) - t; return fmaxf(o, 0) - o * t + log1pf(expf(-fabsf(o)));
    }
}

/* The mean over rows and outputs of what a loss says of one output and one target (n, outputs). */
PART double by_element(int64_t kind, int64_t rows, int64_t outputs, int64_t ld, const float *o, const float *targets,
                       const int64_t *index, float smoothing, float *d) {
    double sum = 0;
    const float share = 1.f / (float)(rows * outputs), keep = outputs > 1 ? 1 - smoothing : 1;
    const float add = outputs > 1 ? smoothing / (float)outputs : 0;
    memset(d, 0, sizeof(float) * (size_t)(outputs * ld));
    for (int64_t k = 0; k < outputs; k++)
        for (int64_t r = 0; r < rows; r++) {
            float slope, value = o[k * ld + r];
            sum += of_difference(kind, value, targets[index[r] * outputs + k] * keep + add, &slope);
            d[k * ld + r] = value == value ? slope * share : value;
        }
    return (float)sum / (double)(rows * outputs); /* a sum that is no float is infinite, as it is for torch */
}
