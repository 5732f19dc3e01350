/* Penalties, clipping, decay and the optimizers' rules on the flat parameters: engine/regularizers.py and
   engine/optimizers.py line by line, on the same state. */
#pragma once
#include <math.h>
#include "vector.h"

enum { SGD, MOMENTUM, NESTEROV, RMSPROP, ADAGRAD, ADAM };

PART void penalize(int64_t decayed, const float *w, float *g, float l1, float l2) {
    if (l1 > 0)
        for (int64_t i = 0; i < decayed; i++) g[i] += l1 * (float)((w[i] > 0) - (w[i] < 0));
    if (l2 > 0)
        for (int64_t i = 0; i < decayed; i++) g[i] += l2 * w[i];
}

/* Whether all are numbers and finite: 0 times them is then 0. */
PART int sound(int64_t count, const float *g) {
    V sum = all(0.f);
    int64_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) sum += load(g + i) * 0.f;
    float rest = total(sum);
    for (; i < count; i++) rest += g[i] * 0.f;
    return rest == 0;
}

PART float length(int64_t count, const float *g) {
    V a = all(0.f), b = all(0.f);
    int64_t i = 0;
    for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
        a += load(g + i) * load(g + i);
        b += load(g + i + WIDTH) * load(g + i + WIDTH);
    }
    double rest = 0;
    for (; i < count; i++) rest += (double)g[i] * g[i];
    for (int l = 0; l < WIDTH; l++) rest += (double)a[l] + b[l];
    return (float)sqrt(rest);
}

PART void clip(int64_t count, float *g, double value, double norm) {
    const float top = (float)value;
    if (value > 0)
        for (int64_t i = 0; i < count; i++) g[i] = g[i] > top ? top : g[i] < -top ? -top : g[i];
    if (norm > 0) {
        const double found = length(count, g);
        const float factor = (float)(norm / (found + 1e-6));
        if (found > norm)
            for (int64_t i = 0; i < count; i++) g[i] *= factor;
    }
}

/* Adam's step, done for all parameters below `at` and allowed for those below `end`. */
typedef struct {
    float *w, *mean, *square;
    const float *g;
    float rise, old, fresh, correct, step, eps, keep; /* keep: what decay leaves of a weight */
    int64_t at, end;
} Descent;

INLINE Descent adam(float *w, const float *g, float *mean, float *square, double *products, double average, double eps,
                    double rate, double momentum, double decay) {
    products[0] *= momentum;
    products[1] *= average;
    const double correct = 1 / sqrt(1 - products[1]), step = rate / (1 - products[0]);
    return (Descent){.w = w, .g = g, .mean = mean, .square = square, .rise = (float)(1 - momentum),
                     .old = (float)average, .fresh = (float)(1 - average), .correct = (float)correct,
                     .step = (float)step, .eps = (float)eps, .keep = (float)(1 - rate * decay)};
}

/* For a whole vector of parameters. */
INLINE void descend_at(const Descent *s, int64_t i) {
    const V g = load(s->g + i);
    V mean = load(s->mean + i), square = load(s->square + i), by;
    mean += s->rise * (g - mean);
    square = square * s->old + s->fresh * (g * g);
    store(s->mean + i, mean);
    store(s->square + i, square);
    if (__builtin_expect(beyond(square, 1e37f), 0)) /* too large for vroot, or infinite */
        for (int l = 0; l < WIDTH; l++) by[l] = s->step * mean[l] / (sqrtf(square[l]) * s->correct + s->eps);
    else
        by = vquotient(s->step * mean, vroot(square) * s->correct + s->eps);
    store(s->w + i, load(s->w + i) * s->keep - by);
}

/* For all that are left up to `end`. */
PART void descend(Descent *s) {
    for (; s->at + WIDTH <= s->end; s->at += WIDTH) descend_at(s, s->at);
    const size_t rest = sizeof(float) * (size_t)(s->end - s->at);
    if (rest) { /* in whole vectors elsewhere, for the same bits */
        V w = all(0.f), g = all(0.f), mean = all(0.f), square = all(0.f);
        memcpy(&w, s->w + s->at, rest);
        memcpy(&g, s->g + s->at, rest);
        memcpy(&mean, s->mean + s->at, rest);
        memcpy(&square, s->square + s->at, rest);
        Descent last = *s;
        last.w = (float *)&w, last.g = (float *)&g, last.mean = (float *)&mean, last.square = (float *)&square;
        descend_at(&last, 0);
        memcpy(s->w + s->at, &w, rest);
        memcpy(s->mean + s->at, &mean, rest);
        memcpy(s->square + s->at, &square, rest);
    }
    s->at = s->end;
}

/* One step of the rules but Adam's. `a` and `b` are the optimizer's vectors in the order of its `buffers`. */
PART void update(int64_t kind, int64_t count, float *restrict w, const float *restrict g, float *restrict a,
                 float *restrict b, double average, double eps, double rate, double momentum) {
    const float lr = (float)rate, mu = (float)momentum, old = (float)average, fresh = (float)(1 - average), e = (float)eps;
#define EACH for (int64_t i = 0; i < count; i++)
    switch (kind) {
    case SGD: EACH w[i] -= lr * g[i]; break;
    case MOMENTUM: EACH { a[i] = a[i] * mu + g[i]; w[i] -= lr * a[i]; } break;
    case NESTEROV: {
        const float ahead = (float)(rate * momentum);
        EACH { a[i] = a[i] * mu + g[i]; w[i] = w[i] - lr * g[i] - ahead * a[i]; }
        break;
    }
    case RMSPROP:
        EACH {
            a[i] = a[i] * old + fresh * (g[i] * g[i]);
            b[i] = b[i] * mu + g[i] / (sqrtf(a[i]) + e);
            w[i] -= lr * b[i];
        }
        break;
    case ADAGRAD: EACH { a[i] += g[i] * g[i]; w[i] -= lr * (g[i] / (sqrtf(a[i]) + e)); } break;
    }
#undef EACH
}
