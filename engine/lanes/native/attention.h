/* Attention of a sequence to itself, softmax(q·kᵀ/√d)·v per head (Vaswani et al. 2017). Examples have nothing to do
   with each other here, so every element of a matrix is a vector of them. */
#pragma once
#include <math.h>
#include "tokens.h"

#if WIDTH == 16
#define SIDE 4 /* of a square tile of accumulators */
#else
#define SIDE 2
#endif

/* v in a register: it is used several times, and a compiler may think it cheaper to load it each time. */
INLINE V held(V v) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#endif
    return v;
}

/* A matrix of vectors: element (r, c) is at[r row + c column ...]. */
typedef struct {
    float *at;
    int64_t row, column;
} Lanes;

INLINE float *element(Lanes m, int64_t r, int64_t c) { return m.at + r * m.row + c * m.column; }
INLINE Lanes from(Lanes m, int64_t r, int64_t c) { return (Lanes){element(m, r, c), m.row, m.column}; }
INLINE Lanes flipped(Lanes m) { return (Lanes){m.at, m.column, m.row}; }

INLINE void lane_tile(const int rows, const int columns, int64_t inner, Lanes a, Lanes b, Lanes c) {
    V sum[SIDE][SIDE];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) sum[r][j] = all(0.f);
    for (int64_t k = 0; k < inner; k++) {
        V left[SIDE], right[SIDE];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) left[r] = held(load(element(a, r, k)));
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) right[j] = held(load(element(b, k, j)));
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int j = 0; j < columns; j++) sum[r][j] += left[r] * right[j];
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < columns; j++) store(element(c, r, j), sum[r][j]);
}

/* c (rows, columns) = a (rows, inner) b (inner, columns), example by example. */
PART void multiply_lanes(int64_t rows, int64_t columns, int64_t inner, Lanes a, Lanes b, Lanes c) {
    for (int64_t r = 0; r < rows;) {
        const int tall = rows - r >= SIDE;
        for (int64_t j = 0; j < columns;) {
            const int broad = columns - j >= SIDE;
            const Lanes left = from(a, r, 0), right = from(b, 0, j), to = from(c, r, j);
            if (tall && broad) lane_tile(SIDE, SIDE, inner, left, right, to);
            else if (tall) lane_tile(SIDE, 1, inner, left, right, to);
            else if (broad) lane_tile(1, SIDE, inner, left, right, to);
            else lane_tile(1, 1, inner, left, right, to);
            j += broad ? SIDE : 1;
        }
        r += tall ? SIDE : 1;
    }
}

/* Queries, keys, values and what comes out of them for one head and one vector of examples, each (steps, size); and
   how much each step looks at each, (steps, steps). */
typedef struct {
    Lanes query, key, value, mix, looks;
} Head;

/* Lengths of a step in memory, in rows of examples: one more than it has, so that steps meet in no set of the cache. */
INLINE int64_t mixed_rows(const Layer *layer) { return 3 * layer->features + 1; }
INLINE int64_t looks_size(const Layer *layer) { return layer->steps * (layer->steps + 1); }

INLINE Head head_at(const Layer *layer, int64_t ld, int64_t h, int64_t l, float *mixed, float *mix, float *looks) {
    const int64_t size = layer->features / layer->heads, row = mixed_rows(layer) * ld, part = layer->features * ld;
    float *q = mixed + h * size * ld + l;
    return (Head){
        {q, row, ld},
        {q + part, row, ld},
        {q + 2 * part, row, ld},
        {mix + h * size * ld + l, (layer->features + 1) * ld, ld},
        {looks + (h * ld + l) * looks_size(layer), (layer->steps + 1) * WIDTH, WIDTH},
    };
}

/* The softmax of scale · w over the first `seen` of `steps`; the others become zero. */
INLINE void soften(int64_t seen, int64_t steps, float scale, float *w) {
    V top = load(w), sum = all(0.f);
    for (int64_t s = 1; s < seen; s++) top = larger(load(w + s * WIDTH), top);
    for (int64_t s = 0; s < seen; s++) {
        V e = vexp_below((load(w + s * WIDTH) - top) * scale);
        sum += e;
        store(w + s * WIDTH, e);
    }
    sum = 1.f / sum;
    for (int64_t s = 0; s < seen; s++) store(w + s * WIDTH, load(w + s * WIDTH) * sum);
    for (int64_t s = seen; s < steps; s++) store(w + s * WIDTH, all(0.f));
}

/* mix (steps, features) = what each step takes from those that it sees, all heads side by side. */
PART void attend(const Layer *layer, int64_t ld, float *mixed, float *mix, float *looks) {
    const int64_t steps = layer->steps, size = layer->features / layer->heads;
    const float scale = 1.f / sqrtf((float)size);
    for (int64_t h = 0; h < layer->heads; h++)
        for (int64_t l = 0; l < ld; l += WIDTH) {
            const Head head = head_at(layer, ld, h, l, mixed, mix, looks);
            for (int64_t t = 0; t < steps; t += SIDE) {
                const int64_t rows = steps - t < SIDE ? steps - t : SIDE, reach = layer->causal ? t + rows : steps;
                const Lanes w = from(head.looks, t, 0);
                multiply_lanes(rows, reach, size, from(head.query, t, 0), flipped(head.key), w);
                for (int64_t r = 0; r < rows; r++)
                    soften(layer->causal ? t + r + 1 : steps, steps, scale, element(w, r, 0));
                multiply_lanes(rows, size, reach, w, head.value, from(head.mix, t, 0));
            }
        }
}

/* by = the gradient by the scores, from that by the looks w: w (by − Σ w by) scale. */
INLINE void soften_back(int64_t seen, float scale, const float *w, float *by) {
    V along = all(0.f);
    for (int64_t s = 0; s < seen; s++) along += load(w + s * WIDTH) * load(by + s * WIDTH);
    for (int64_t s = 0; s < seen; s++)
        store(by + s * WIDTH, load(w + s * WIDTH) * (load(by + s * WIDTH) - along) * scale);
}

/* The gradients by queries, keys and values, in their place, from that by mix, in its place. */
PART void attend_back(const Layer *layer, int64_t ld, float *mixed, float *mix, float *looks, float *panel) {
    const int64_t steps = layer->steps, size = layer->features / layer->heads;
    const float scale = 1.f / sqrtf((float)size);
    const Lanes by = {panel, (steps + 1) * WIDTH, WIDTH}, queries = {panel + looks_size(layer) * WIDTH, size * WIDTH, WIDTH};
    for (int64_t h = 0; h < layer->heads; h++)
        for (int64_t l = 0; l < ld; l += WIDTH) {
            const Head head = head_at(layer, ld, h, l, mixed, mix, looks);
            for (int64_t t = 0; t < steps; t += SIDE) {
                const int64_t rows = steps - t < SIDE ? steps - t : SIDE, reach = layer->causal ? t + rows : steps;
                multiply_lanes(rows, reach, size, from(head.mix, t, 0), flipped(head.value), from(by, t, 0));
                for (int64_t r = t; r < t + rows; r++)
                    soften_back(reach, scale, element(head.looks, r, 0), element(by, r, 0));
                multiply_lanes(rows, size, reach, from(by, t, 0), head.key, from(queries, t, 0));
            }
            for (int64_t s = 0; s < steps; s += SIDE) {
                const int64_t rows = steps - s < SIDE ? steps - s : SIDE, start = layer->causal ? s : 0; /* who sees them */
                multiply_lanes(rows, size, steps - start, from(flipped(head.looks), s, start), from(head.mix, start, 0),
                               from(head.value, s, 0));
                multiply_lanes(rows, size, steps - start, from(flipped(by), s, start), from(head.query, start, 0),
                               from(head.key, s, 0));
            }
            for (int64_t t = 0; t < steps; t++)
                for (int64_t d = 0; d < size; d++) store(element(head.query, t, d), load(element(queries, t, d)));
        }
}

/* Floats that attend_back needs as `panel`. */
INLINE int64_t attention_size(const Layer *layer) {
    return (looks_size(layer) + layer->steps * layer->features / layer->heads) * WIDTH;
}
