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

/* One step. `a` and `b` are the optimizer's vectors in the order of its `buffers`; `products` those of Adam. */
PART void update(int64_t kind, int64_t count, float *restrict w, const float *restrict g, float *restrict a,
                 float *restrict b, double *products, double average, double eps, double rate, double momentum) {
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
    case ADAM: {
        products[0] *= momentum;
        products[1] *= average;
        const float rise = (float)(1 - momentum);
        const float correct = (float)(1 / sqrt(1 - products[1])), step = (float)(rate / (1 - products[0]));
        EACH {
            a[i] += rise * (g[i] - a[i]);
            b[i] = b[i] * old + fresh * (g[i] * g[i]);
            w[i] -= step * a[i] / (sqrtf(b[i]) * correct + e);
        }
        break;
    }
    }
#undef EACH
}
