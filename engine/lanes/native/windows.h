/* Layers that slide a window over an image (channel, row, column), or over a signal as an image of one row:
   convolution and pooling. Each pixel of an image is one unit, a row of `ld` examples. */
#pragma once
#include <math.h>
#include "layers.h"
#include "matrix.h"

#define RUN 16 /* pixels that are taken together for the gradient of a kernel */
#define MANY 6 /* of its columns that are taken together */

INLINE int64_t window_size(const Layer *layer) { return layer->channels * layer->kernel[0] * layer->kernel[1]; }
INLINE int64_t pairs_padded(const Layer *layer) { return padded(layer->filters * window_size(layer)); }

/* Where the window of an output pixel begins, in rows and columns of the input. */
typedef struct {
    int64_t row, column;
} Corner;

INLINE Corner corner(const Layer *layer, int64_t pixel) {
    const int64_t row = pixel / layer->broad, column = pixel - row * layer->broad;
    return (Corner){row * layer->stride[0] - layer->pad[0], column * layer->stride[1] - layer->pad[1]};
}

/* The examples of x under point (a, b) of a window; null where it hangs over the edge. */
INLINE const float *under(const Layer *layer, const float *x, int64_t ld, int64_t channel, Corner at, int64_t a, int64_t b) {
    const int64_t row = at.row + a * layer->dilation[0], column = at.column + b * layer->dilation[1];
    const int outside = row < 0 || row >= layer->high || column < 0 || column >= layer->wide;
    return outside ? 0 : x + ((channel * layer->high + row) * layer->wide + column) * ld;
}

#define EACH_POINT                                  \
    for (int64_t a = 0; a < layer->kernel[0]; a++)  \
        for (int64_t b = 0; b < layer->kernel[1]; b++)
#define EACH_TAP                                    \
    for (int64_t c = 0; c < layer->channels; c++)   \
        EACH_POINT
#define EACH_LANE for (int64_t l = 0; l < lanes; l += WIDTH)

INLINE void copy(const float *from, float *to, int64_t lanes) {
    EACH_LANE store(to + l, from ? load(from + l) : all(0.f));
}

/* y (filters · pixels, ld) = bias + weight (filters, window) · windows of x, pixel by pixel, two vectors of examples at
   a time: a window then stays in the cache nearest to the processor. */
PART void convolve(const Layer *layer, int64_t ld, const float *weight, const float *bias, const float *x, float *y,
                   float *panel) {
    const int64_t window = window_size(layer), pixels = layer->tall * layer->broad;
    for (int64_t j = 0; j < ld; j += 2 * WIDTH) {
        const int64_t lanes = ld - j < 2 * WIDTH ? ld - j : 2 * WIDTH;
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            const Corner at = corner(layer, pixel);
            float *to = panel;
            EACH_TAP {
                copy(under(layer, x + j, ld, c, at, a, b), to, lanes);
                to += lanes;
            }
            multiply(layer->filters, lanes, window, weight, window, 1, panel, lanes, y + pixel * ld + j, pixels * ld, bias);
        }
    }
}

/* below = the gradient by x, from d (filters · pixels, ld): what each pixel gives to the points of its window. */
PART void convolve_back(const Layer *layer, int64_t ld, const float *weight, const float *d, float *below, float *panel) {
    const int64_t window = window_size(layer), pixels = layer->tall * layer->broad;
    memset(below, 0, sizeof(float) * (size_t)(layer->inputs * ld));
    for (int64_t j = 0; j < ld; j += 2 * WIDTH) {
        const int64_t lanes = ld - j < 2 * WIDTH ? ld - j : 2 * WIDTH;
        float *shares = panel + layer->filters * lanes;
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            for (int64_t o = 0; o < layer->filters; o++) copy(d + (o * pixels + pixel) * ld + j, panel + o * lanes, lanes);
            multiply(window, lanes, layer->filters, weight, 1, window, panel, lanes, shares, lanes, 0);
            const Corner at = corner(layer, pixel);
            const float *from = shares;
            EACH_TAP {
                float *to = (float *)under(layer, below + j, ld, c, at, a, b);
                if (to) EACH_LANE store(to + l, load(to + l) + load(from + l));
                from += lanes;
            }
        }
    }
}

/* sums[r][c] += d[r] · x[c] for `rows` x `columns` pairs of rows of `length` floats; a sum is a vector, lane by lane. */
INLINE void correlate(const int rows, const int columns, int64_t length, const float *d, const float *x, float *sums,
                      int64_t lds) {
    V sum[4][MANY];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
        for (int c = 0; c < columns; c++) sum[r][c] = load(sums + (r * lds + c) * WIDTH);
    for (int64_t i = 0; i < length; i += WIDTH) {
        V own[4];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) own[r] = load(d + r * length + i);
#pragma GCC unroll 6
        for (int c = 0; c < columns; c++) {
            V other = load(x + c * length + i);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r][c] += own[r] * other;
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 6
        for (int c = 0; c < columns; c++) store(sums + (r * lds + c) * WIDTH, sum[r][c]);
}

/* `lanes` examples of a pixel, from the j-th on; those beyond the first `n` become 0, and so count in no sum. */
INLINE void keep(const float *from, float *to, int64_t j, int64_t n, int64_t lanes) {
    I lane;
    for (int l = 0; l < WIDTH; l++) lane[l] = l;
    EACH_LANE {
        const int32_t left = n - j - l < WIDTH ? (int32_t)(n - j - l) : WIDTH;
        store(to + l, from ? pick(lane < left, load(from + l), all(0.f)) : all(0.f));
    }
}

PART void correlate_all(const Layer *layer, int64_t columns, int64_t length, const float *d, const float *x, float *sums) {
    const int64_t window = window_size(layer);
#define PAIRS(R)                                                                                                    \
    switch (columns) {                                                                                              \
    case 6: correlate(R, 6, length, d + o * length, x, sums + o * window * WIDTH, window); break;                   \
    case 3: correlate(R, 3, length, d + o * length, x, sums + o * window * WIDTH, window); break;                   \
    default:                                                                                                        \
        for (int64_t c = 0; c < columns; c++)                                                                       \
            correlate(R, 1, length, d + o * length, x + c * length, sums + (o * window + c) * WIDTH, window);       \
    }
    int64_t o = 0;
    for (; o + 4 <= layer->filters; o += 4) PAIRS(4)
    for (; o < layer->filters; o++) PAIRS(1)
#undef PAIRS
}

/* The gradients of weight (filters, window) and bias (filters,) from d (filters · pixels, ld), over the first `n`
   examples. Runs of pixels are laid end to end; the sums stay vectors until the end, and are then added up. */
PART void convolve_weights(const Layer *layer, int64_t n, int64_t ld, const float *x, const float *d, float *weight,
                           float *bias, float *panel) {
    const int64_t window = window_size(layer), pixels = layer->tall * layer->broad;
    const int64_t pairs = layer->filters * window, rows = pairs_padded(layer);
    float *sums = panel, *totals = sums + rows * WIDTH, *biases = totals + rows * WIDTH;
    float *own = biases + layer->filters * WIDTH, *other = own + layer->filters * RUN * 2 * WIDTH;
    Corner at[RUN];
    memset(sums, 0, sizeof(float) * (size_t)(rows * WIDTH));
    memset(biases, 0, sizeof(float) * (size_t)(layer->filters * WIDTH));
    for (int64_t j = 0; j < ld; j += 2 * WIDTH) {
        const int64_t lanes = ld - j < 2 * WIDTH ? ld - j : 2 * WIDTH;
        for (int64_t pixel = 0; pixel < pixels; pixel += RUN) {
            const int64_t run = pixels - pixel < RUN ? pixels - pixel : RUN, length = run * lanes;
            for (int64_t p = 0; p < run; p++) at[p] = corner(layer, pixel + p);
            for (int64_t o = 0; o < layer->filters; o++) {
                V sum = load(biases + o * WIDTH);
                for (int64_t p = 0; p < run; p++)
                    keep(d + (o * pixels + pixel + p) * ld + j, own + o * length + p * lanes, j, n, lanes);
                for (int64_t i = 0; i < length; i += WIDTH) sum += load(own + o * length + i);
                store(biases + o * WIDTH, sum);
            }
            int64_t column = 0, packed = 0;
            EACH_TAP {
                for (int64_t p = 0; p < run; p++)
                    keep(under(layer, x + j, ld, c, at[p], a, b), other + packed * length + p * lanes, j, n, lanes);
                if (++packed == MANY || column + packed == window) {
                    correlate_all(layer, packed, length, own, other, sums + column * WIDTH);
                    column += packed;
                    packed = 0;
                }
            }
        }
    }
    if (bias)
        for (int64_t o = 0; o < layer->filters; o++) bias[o] = total(load(biases + o * WIDTH));
    transpose(rows, WIDTH, sums, WIDTH, totals, rows);
    for (int64_t i = 0; i < pairs; i += WIDTH) {
        V sum = all(0.f);
        for (int64_t l = 0; l < WIDTH; l++) sum += load(totals + l * rows + i);
        memcpy(weight + i, &sum, sizeof(float) * (size_t)(pairs - i < WIDTH ? pairs - i : WIDTH));
    }
}

/* Floats that the functions above need as `panel`. */
INLINE int64_t panel_size(const Layer *layer) {
    const int64_t one = 2 * (window_size(layer) + layer->filters), all_of_run = layer->filters + 2 * (layer->filters + MANY) * RUN;
    return (2 * pairs_padded(layer) + one + all_of_run) * WIDTH;
}

/* The largest (a NaN is larger than anything, as it is for torch) or the mean of each window. */
PART void pool(const Layer *layer, int64_t ld, const float *x, float *y) {
    const int64_t pixels = layer->tall * layer->broad, lanes = ld;
    const float share = 1.f / (float)(layer->kernel[0] * layer->kernel[1]);
    for (int64_t c = 0; c < layer->channels; c++)
        for (int64_t pixel = 0; pixel < pixels; pixel++, y += ld) {
            const Corner at = corner(layer, pixel);
            EACH_LANE store(y + l, all(layer->kind == MAX_POOL ? -INFINITY : 0.f));
            EACH_POINT {
                const float *from = under(layer, x, ld, c, at, a, b);
                if (!from) continue;
                EACH_LANE {
                    V v = load(from + l), most = load(y + l);
                    store(y + l, layer->kind == MAX_POOL ? pick((v > most) | (v != v), v, most) : most + v);
                }
            }
            if (layer->kind == AVG_POOL) EACH_LANE store(y + l, load(y + l) * share);
        }
}

/* below = the gradient by x: the mean's goes to all points of a window alike, the largest's to the first of them. */
PART void pool_back(const Layer *layer, int64_t ld, const float *x, const float *y, const float *d, float *below) {
    const int64_t pixels = layer->tall * layer->broad, lanes = ld;
    const float share = 1.f / (float)(layer->kernel[0] * layer->kernel[1]);
    memset(below, 0, sizeof(float) * (size_t)(layer->inputs * ld));
    for (int64_t c = 0; c < layer->channels; c++)
        for (int64_t pixel = 0; pixel < pixels; pixel++, y += ld, d += ld) {
            const Corner at = corner(layer, pixel);
            EACH_LANE {
                I open = ~(I){};
                EACH_POINT {
                    const float *from = under(layer, x, ld, c, at, a, b);
                    if (!from) continue;
                    float *to = below + (from - x) + l;
                    if (layer->kind == AVG_POOL)
                        store(to, load(to) + load(d + l) * share);
                    else {
                        I hit = open & (load(from + l) == load(y + l));
                        store(to, load(to) + pick(hit, load(d + l), all(0.f)));
                        open &= ~hit;
                    }
                }
            }
        }
}
#undef EACH_LANE
#undef EACH_TAP
#undef EACH_POINT
