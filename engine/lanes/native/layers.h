/* Activations, and the gradients through them. All vectors; `count` is a multiple of WIDTH. */
#pragma once
#include "vector.h"

enum {
    LINEAR, CONV, RNN, LSTM, GRU, PROJECT, EMBEDDING, POSITIONS, NORM, BATCH_NORM, ENCODER, /* with weights */
    MAX_POOL, AVG_POOL, MEAN, SWAP, ADD, CONCAT, /* the last two read a second place */
    DROPOUT, RELU, LEAKY_RELU, ELU, SILU, GELU, SIGMOID, TANH /* value by value, and backward in place */
};

/* Places in the flat parameters; -1 where there is none. */
typedef struct {
    int64_t weight, bias;
} Weights;

typedef struct {
    int64_t kind, inputs, outputs; /* of the kinds above; sizes of one example */
    int64_t weight, bias;          /* places in the flat parameters; bias is -1 where there is none */
    int64_t source, second; /* the places that it reads, of which the input is 0 and what layer k gives is k + 1 */
    int64_t at, wait; /* where its values stand, and the gradient by them waits (-1: need not), in floats per example */
    double slope; /* LEAKY_RELU: y = slope x below 0. ELU: y = slope (e^x - 1) there. DROPOUT: the share dropped.
                     BATCH_NORM: the share by which its running averages move */
    double scale; /* ELU: what both of its sides are multiplied with */
    /* CONV and pools: (channels, high, wide) become (filters, tall, broad); by rows and by columns what the window is.
       BATCH_NORM: channels */
    int64_t channels, high, wide, filters, tall, broad, kernel[2], stride[2], pad[2], dilation[2];
    /* RNN, LSTM, GRU: (steps, features) become (steps, hidden) with `sequence`, else (hidden,); places of other weights */
    int64_t steps, features, hidden, sequence, hidden_weight, hidden_bias;
    int64_t kept; /* where in Job.kept it has its room, in floats per example */
    /* sequences: (steps, features) become (steps, hidden) for PROJECT, (features, steps) for SWAP; CONCAT: see merge.h.
       EMBEDDING: rows of its table */
    int64_t rows;
    /* ENCODER, RNN: kind of its activation. ENCODER: whether each step sees only those before; whether norms come first */
    int64_t heads, activation, causal, first;
    Weights mixing, joining, rising, falling, norms[2]; /* into q, k and v; out of the heads; up and down again */
    double eps; /* of norms */
    const float *table; /* POSITIONS that are not learnt: (steps, features) */
    float *averages[2]; /* BATCH_NORM: running mean and variance, (channels,), written */
} Layer;

#define EACH(EXPRESSION)                                \
    for (int64_t i = 0; i < count; i += WIDTH) {        \
        V v = load(x + i);                              \
        store(y + i, EXPRESSION);                       \
    }                                                   \
    break;

/* y = f(x). A NaN stays one, so that it reaches the loss. */
PART void activate(const Layer *layer, int64_t count, const float *x, float *y) {
    const float slope = (float)layer->slope, scale = (float)layer->scale;
    const V zero = all(0.f);
    switch (layer->kind) {
    case RELU: EACH(pick(v <= zero, zero, v))
    case LEAKY_RELU: EACH(pick(v <= zero, v * slope, v))
    case ELU: EACH(scale * pick(v <= zero, slope * (vexp(v) - 1.f), v))
    case SILU: EACH(v * vsigmoid(v))
    case GELU: EACH(v * vnormal(v))
    case SIGMOID: EACH(vsigmoid(v))
    case TANH: EACH(vtanh(v))
    }
}
#undef EACH

#define EACH(EXPRESSION)                                        \
    for (int64_t i = 0; i < count; i += WIDTH) {                \
        V v = load(x + i), f = load(y + i), g = load(d + i);    \
        (void)v, (void)f;                                       \
        store(d + i, EXPRESSION);                               \
    }                                                           \
    break;

/* d = d f'(x), from x and y = f(x). */
PART void activate_backward(const Layer *layer, int64_t count, const float *x, const float *y, float *d) {
    const float slope = (float)layer->slope, scale = (float)layer->scale;
    const V zero = all(0.f);
    switch (layer->kind) {
    case RELU: EACH(pick(v <= zero, zero, g))
    case LEAKY_RELU: EACH(pick(v <= zero, g * slope, g))
    case ELU: EACH(g * pick(v <= zero, f + slope * scale, all(scale)))
    case SILU: {
        for (int64_t i = 0; i < count; i += WIDTH) {
            V v = load(x + i), s = vsigmoid(v);
            store(d + i, load(d + i) * s * (1.f + v * (1.f - s)));
        }
        break;
    }
    case GELU: EACH(g * (vnormal(v) + v * 0.3989422804f * vexp(-0.5f * v * v)))
    case SIGMOID: EACH(g * (f * (1.f - f)))
    case TANH: EACH(g * (1.f - f * f))
    }
}
#undef EACH

/* y = x m, with a factor per value: m is (rows, outputs) as torch draws it, x and y are (outputs, ld).
   Returns the number of factors used: none where nothing is dropped, and none were drawn. */
PART int64_t drop(const Layer *layer, int64_t rows, int64_t ld, const float *m, const float *x, float *y) {
    const int64_t outputs = layer->outputs;
    if (layer->slope == 0) {
        memmove(y, x, sizeof(float) * (size_t)(outputs * ld));
        return 0;
    }
    for (int64_t o = 0; o < outputs; o++) {
        for (int64_t r = 0; r < rows; r++) y[o * ld + r] = x[o * ld + r] * m[r * outputs + o];
        for (int64_t r = rows; r < ld; r++) y[o * ld + r] = 0;
    }
    return rows * outputs;
}

/* Backward, in place, through a layer that goes value by value; 0 where it is none. `masks` comes to stand before those
   that the layer took. */
INLINE int value_backward(const Layer *layer, int64_t n, const float *x, const float *y, float *d, const float **masks) {
    const int64_t ld = padded(n);
    if (layer->kind < DROPOUT) return 0;
    if (layer->kind == DROPOUT) {
        *masks -= layer->slope > 0 ? n * layer->outputs : 0;
        drop(layer, n, ld, *masks, d, d);
    } else
        activate_backward(layer, layer->outputs * ld, x, y, d);
    return 1;
}
