/* Layers that slide a window over an image (channel, row, column), or over a signal as an image of one row:
   convolution and pooling. Each pixel of an image is one unit, a row of `ld` examples. */
#pragma once
#include <math.h>
#include "layers.h"
#include "matrix.h"

#define ROOM 65536 /* floats that windows may take while the gradient of a kernel is summed up: second cache */

INLINE int64_t window_size(const Layer *layer) { return layer->channels * layer->kernel[0] * layer->kernel[1]; }
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

/* Pixels whose windows are laid by rows at the same time. */
INLINE int64_t at_once(const Layer *layer, int64_t ld) {
    const int64_t fit = ROOM / (padded(window_size(layer)) * ld), pixels = layer->tall * layer->broad;
    return fit < 1 ? 1 : fit < pixels ? fit : pixels;
}

/* The gradients of weight (filters, window) and bias (filters,) from d (filters · pixels, ld), of which the first `n`
   examples count: the sum over pixels of d · windowᵀ, so that the vectors lie along the window. */
PART void convolve_weights(const Layer *layer, int64_t n, int64_t ld, const float *x, const float *d, float *weight,
                           float *bias, float *panel) {
    const int64_t window = window_size(layer), wide = padded(window), pixels = layer->tall * layer->broad, lanes = ld;
    float *by_rows = panel + wide * ld;
    memset(weight, 0, sizeof(float) * (size_t)(layer->filters * window));
    for (int64_t pixel = 0; pixel < pixels;) {
        const int64_t left = pixels - pixel, run = at_once(layer, ld) < left ? at_once(layer, ld) : left;
        for (int64_t p = 0; p < run; p++) {
            const Corner at = corner(layer, pixel + p);
            float *to = panel;
            EACH_TAP {
                copy(under(layer, x, ld, c, at, a, b), to, lanes);
                to += lanes;
            }
            transpose(wide, ld, panel, ld, by_rows + p * ld * wide, wide);
        }
        const int64_t pieces = n == ld ? 1 : run, inner = n == ld ? run * ld : n; /* beyond n there may be anything */
        for (int64_t p = 0; p < pieces; p++)
            accumulate(layer->filters, window, inner, d + (pixel + p) * ld, pixels * ld, 1, by_rows + p * ld * wide, wide,
                       weight, window);
        pixel += run;
    }
    for (int64_t o = 0; bias && o < layer->filters; o++) bias[o] = sum_rows(pixels, n, ld, d + o * pixels * ld);
}

/* Floats that the functions above need as `panel`. */
INLINE int64_t panel_size(const Layer *layer, int64_t ld) {
    const int64_t wide = padded(window_size(layer)), sideways = (1 + at_once(layer, ld)) * wide * ld;
    const int64_t upright = 2 * WIDTH * (wide + layer->filters);
    return sideways > upright ? sideways : upright;
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
