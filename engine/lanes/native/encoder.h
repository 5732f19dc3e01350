/* The encoder layer of Vaswani et al. (2017) as torch has it: attention, then two dense layers at each step, each with
   a way around it and a normalization, after their sum or (`first`) before them:
   z = norm₁(x + attention(x)), y = norm₂(z + W₂ φ(W₁ z)), or
   z = x + attention(norm₁(x)), y = z + W₂ φ(W₁ norm₂(z)). */
#pragma once
#include "attention.h"
#include "norm.h"

/* What a layer leaves for the way back, step by step: queries, keys and values; what attention gave; what both norms
   did; the hidden units before φ. And how much all looked at each other. */
typedef struct {
    float *mixed, *mix, *normal[2], *hidden, *looks;
} Traces;

INLINE Traces traces_at(const Layer *layer, int64_t ld, float *kept) {
    const int64_t rows = layer->steps * ld, one = (layer->features + 1) * rows;
    Traces found = {.mixed = kept, .mix = kept + mixed_rows(layer) * rows};
    found.normal[0] = found.mix + one;
    found.normal[1] = found.normal[0] + one;
    found.hidden = found.normal[1] + one;
    found.looks = found.hidden + layer->hidden * rows;
    return found;
}

/* to = W x + b for one step. */
INLINE void weigh(Weights at, int64_t rows, int64_t columns, int64_t ld, const float *weights, const float *x, float *to) {
    multiply(rows, ld, columns, weights + at.weight, columns, 1, x, ld, to, ld, weights + at.bias);
}

/* to = Wᵀ d for one step. */
INLINE void weigh_back(Weights at, int64_t rows, int64_t columns, int64_t ld, const float *weights, const float *d,
                         float *to) {
    multiply(columns, ld, rows, weights + at.weight, 1, columns, d, ld, to, ld, 0);
}

INLINE void apply_norm(const Layer *layer, int which, int64_t ld, const float *weights, const float *normal, float *y) {
    const Weights at = layer->norms[which];
    rescale(layer->features, ld, normal, weights + at.weight, weights + at.bias, y);
}

/* `panel`: 2 features + hidden rows of examples. */
PART void encode(const Layer *layer, int64_t ld, const float *weights, const float *x, float *y, float *kept,
                 float *panel) {
    const int64_t e = layer->features, part = e * ld, own = part + ld, h = layer->hidden;
    const Traces traces = traces_at(layer, ld, kept);
    const Layer act = {.kind = layer->activation};
    float *a = panel, *z = panel + part, *active = z + part;
    for (int64_t t = 0; t < layer->steps; t++) {
        const float *in = x + t * part;
        if (layer->first) {
            standardise(e, ld, layer->eps, in, traces.normal[0] + t * own);
            apply_norm(layer, 0, ld, weights, traces.normal[0] + t * own, a);
            in = a;
        }
        weigh(layer->mixing, 3 * e, e, ld, weights, in, traces.mixed + t * mixed_rows(layer) * ld);
    }
    attend(layer, ld, traces.mixed, traces.mix, traces.looks);
    for (int64_t t = 0; t < layer->steps; t++) {
        float *hidden = traces.hidden + t * h * ld, *normal = traces.normal[!!layer->first] + t * own, *to = y + t * part;
        weigh(layer->joining, e, e, ld, weights, traces.mix + t * own, a);
        add(part, x + t * part, a);
        standardise(e, ld, layer->eps, a, normal);
        apply_norm(layer, !!layer->first, ld, weights, normal, z);
        weigh(layer->rising, h, e, ld, weights, z, hidden);
        activate(&act, h * ld, hidden, active);
        weigh(layer->falling, e, h, ld, weights, active, to);
        add(part, layer->first ? a : z, to);
        if (layer->first) continue;
        standardise(e, ld, layer->eps, to, traces.normal[1] + t * own);
        apply_norm(layer, 1, ld, weights, traces.normal[1] + t * own, to);
    }
}

/* Sums over examples and steps that become gradients of what has one number per unit: (units, WIDTH) each. */
typedef struct {
    float *mixing, *joining, *rising, *falling, *norms[2];
} Sums;

INLINE Sums sums_at(const Layer *layer, float *panel) {
    const int64_t e = layer->features * WIDTH, h = layer->hidden * WIDTH;
    return (Sums){panel, panel + 3 * e, panel + 4 * e, panel + 4 * e + h, {panel + 5 * e + h, panel + 7 * e + h}};
}

INLINE int64_t sums_size(const Layer *layer) { return (9 * layer->features + layer->hidden) * WIDTH; }

INLINE void weigh_gradient(Weights at, int64_t rows, int64_t columns, int64_t n, int64_t ld, const float *d,
                           const float *values, float *gradient, float *sums, float *turned) {
    join(rows, columns, n, ld, d, values, gradient + at.weight, turned);
    collect(rows, n, ld, d, sums);
}

typedef struct {
    const float *weights;
    float *gradient;
    int64_t n, ld;
    Sums sums;
    float *turned; /* room for a step on its other side */
} Way;

/* below = the gradient by z of W₂ φ(W₁ z), from d. `panel`: 2 hidden rows. */
INLINE void feed_back(const Layer *layer, Way way, const float *z, const float *hidden, const float *d, float *below,
                      float *panel) {
    const int64_t e = layer->features, h = layer->hidden, ld = way.ld;
    const Layer act = {.kind = layer->activation};
    float *active = panel, *by = panel + h * ld;
    activate(&act, h * ld, hidden, active);
    weigh_gradient(layer->falling, e, h, way.n, ld, d, active, way.gradient, way.sums.falling, way.turned);
    weigh_back(layer->falling, e, h, ld, way.weights, d, by);
    activate_backward(&act, h * ld, hidden, active, by);
    weigh_gradient(layer->rising, h, e, way.n, ld, by, z, way.gradient, way.sums.rising, way.turned);
    weigh_back(layer->rising, h, e, ld, way.weights, by, below);
}

/* The gradient by the result of a norm becomes that by what went into it. */
INLINE void unnorm(const Layer *layer, int which, Way way, const float *normal, const float *d, float *below) {
    standardise_back(layer->features, way.n, way.ld, normal, way.weights + layer->norms[which].weight, d, below,
                     way.sums.norms[which]);
}

/* One step from its result to what attention gave: by_sum = the gradient by x + attention, and mix becomes that by mix. */
INLINE void step_back(const Layer *layer, Way way, int64_t t, Traces traces, const float *d, float *by_sum, float *panel) {
    const int64_t e = layer->features, part = e * way.ld, own = part + way.ld;
    float *z = panel, *g = panel + part, *below = g + part, *mix = traces.mix + t * own;
    const float *hidden = traces.hidden + t * layer->hidden * way.ld;
    const float *inner = traces.normal[!!layer->first] + t * own; /* of the norm before W₁ */
    apply_norm(layer, !!layer->first, way.ld, way.weights, inner, z);
    if (!layer->first) unnorm(layer, 1, way, traces.normal[1] + t * own, d, g);
    const float *around = layer->first ? d : g;
    feed_back(layer, way, z, hidden, around, below, below + part);
    if (layer->first) {
        unnorm(layer, 1, way, inner, below, by_sum);
        add(part, around, by_sum);
    } else {
        add(part, around, below);
        unnorm(layer, 0, way, inner, below, by_sum);
    }
    weigh_gradient(layer->joining, e, e, way.n, way.ld, by_sum, mix, way.gradient, way.sums.joining, way.turned);
    weigh_back(layer->joining, e, e, way.ld, way.weights, by_sum, mix);
}

/* One step from its queries, keys and values to x; `by_sum`, (part,) of the way around, becomes the gradient by x. */
INLINE void start_back(const Layer *layer, Way way, int64_t t, Traces traces, const float *x, float *by_sum, float *panel) {
    const int64_t e = layer->features, part = e * way.ld, own = part + way.ld;
    const float *d = traces.mixed + t * mixed_rows(layer) * way.ld, *normal = traces.normal[0] + t * own;
    float *in = panel, *below = panel + part;
    if (layer->first) apply_norm(layer, 0, way.ld, way.weights, normal, in);
    weigh_gradient(layer->mixing, 3 * e, e, way.n, way.ld, d, layer->first ? in : x, way.gradient, way.sums.mixing,
                   way.turned);
    weigh_back(layer->mixing, 3 * e, e, way.ld, way.weights, d, below);
    if (layer->first) unnorm(layer, 0, way, normal, below, below);
    add(part, below, by_sum);
}

INLINE void put_gradients(const Layer *layer, Sums sums, float *gradient) {
    const int64_t e = layer->features;
    put_totals(3 * e, sums.mixing, gradient + layer->mixing.bias);
    put_totals(e, sums.joining, gradient + layer->joining.bias);
    put_totals(layer->hidden, sums.rising, gradient + layer->rising.bias);
    put_totals(e, sums.falling, gradient + layer->falling.bias);
    for (int i = 0; i < 2; i++) {
        put_totals(e, sums.norms[i], gradient + layer->norms[i].weight);
        put_totals(e, sums.norms[i] + e * WIDTH, gradient + layer->norms[i].bias);
    }
}

/* Gradients of all weights from d; that by x goes to `below`, which is written in any case. */
PART void encode_back(const Layer *layer, int64_t n, int64_t ld, const float *weights, float *gradient, const float *x,
                      float *kept, const float *d, float *below, float *panel) {
    const int64_t e = layer->features, h = layer->hidden, part = e * ld, most = padded(e > h ? e : h);
    const Traces traces = traces_at(layer, ld, kept);
    const Way way = {weights, gradient, n, ld, sums_at(layer, panel), panel + sums_size(layer)};
    float *room = way.turned + most * ld;
    memset(panel, 0, sizeof(float) * (size_t)sums_size(layer));
    memset(gradient + layer->mixing.weight, 0, sizeof(float) * (size_t)(3 * e * e));
    memset(gradient + layer->joining.weight, 0, sizeof(float) * (size_t)(e * e));
    memset(gradient + layer->rising.weight, 0, sizeof(float) * (size_t)(h * e));
    memset(gradient + layer->falling.weight, 0, sizeof(float) * (size_t)(h * e));
    for (int64_t t = 0; t < layer->steps; t++) step_back(layer, way, t, traces, d + t * part, below + t * part, room);
    attend_back(layer, ld, traces.mixed, traces.mix, traces.looks, room);
    for (int64_t t = 0; t < layer->steps; t++)
        start_back(layer, way, t, traces, x + t * part, below + t * part, room);
    put_gradients(layer, way.sums, gradient);
}

/* Floats that the way back needs as `panel`: more than the way forward. */
INLINE int64_t encoder_size(const Layer *layer, int64_t ld) {
    const int64_t most = padded(layer->features > layer->hidden ? layer->features : layer->hidden);
    const int64_t step = (3 * layer->features + 2 * layer->hidden) * ld, look = attention_size(layer);
    return sums_size(layer) + most * ld + (step > look ? step : look);
}
