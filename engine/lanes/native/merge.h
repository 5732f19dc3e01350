/* Layers that bring two branches together, and the gradients that wait for a branch until all who read it have spoken. */
#pragma once
#include "job.h"
#include "tokens.h"

/* Where the values at a place stand: 0 is the input, p what layer p − 1 gave. */
INLINE float *standing(const Job *job, int64_t place, int64_t ld) {
    return job->values + (place ? job->layers[place - 1].at * ld : 0);
}

/* Where the gradient by a place waits; null where it need not, or nobody asks for it. */
INLINE float *waiting(const Job *job, int64_t place, int64_t ld) {
    return place && job->layers[place - 1].wait >= 0 ? job->waiting + job->layers[place - 1].wait * ld : 0;
}

/* CONCAT: `steps` times `features` rows of one and `hidden` of the other; ADD: as they lie. */
PART void merge(const Layer *layer, int64_t ld, const float *x, const float *other, float *y) {
    const int64_t one = layer->features * ld, two = layer->hidden * ld;
    if (layer->kind == ADD) {
        memcpy(y, x, sizeof(float) * (size_t)(layer->outputs * ld));
        add(layer->outputs * ld, other, y);
        return;
    }
    for (int64_t s = 0; s < layer->steps; s++, x += one, other += two, y += one + two) {
        memcpy(y, x, sizeof(float) * (size_t)one);
        memcpy(y + one, other, sizeof(float) * (size_t)two);
    }
}

/* Adds the gradient d by what `layer` gave to those that wait for its two branches. */
PART void part(const Job *job, const Layer *layer, int64_t ld, const float *d) {
    float *one = waiting(job, layer->source, ld), *two = waiting(job, layer->second, ld);
    const int64_t left = layer->kind == ADD ? layer->outputs * ld : layer->features * ld;
    const int64_t right = layer->kind == ADD ? left : layer->hidden * ld;
    for (int64_t s = 0; s < (layer->kind == ADD ? 1 : layer->steps); s++) {
        if (one) add(left, d + s * (left + right), one + s * left);
        if (two) add(right, d + (layer->kind == ADD ? 0 : left + s * (left + right)), two + s * right);
    }
}
