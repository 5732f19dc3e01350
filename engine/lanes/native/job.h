/* What the kernel is asked to do. engine/lanes/native/job.py has the same fields in the same order. */
#pragma once
#include "layers.h"

typedef struct {
    /* network: `layers` (depth,), parameters in one vector */
    const Layer *layers;
    int64_t depth, inputs, outputs, count, decayed;
    float *weights, *gradient, *state_a, *state_b;
    double *products;
    /* data (n, inputs) and its targets: labels (n,) for cross-entropy, else (n, outputs) */
    const float *x;
    const int64_t *labels;
    const float *targets;
    /* the batches: step s has the rows index[bounds[s] .. bounds[s + 1]], its learning rate, its dropout masks */
    const int64_t *index, *bounds;
    const double *rates;
    const float *masks;
    /* how */
    int64_t loss, optimizer;
    double average, eps; /* of the optimizer: share of the old in its running mean of squares; what it adds to the root */
    double smoothing, momentum, l1, l2, decay, clip_value, clip_norm;
    double bound; /* a loss that is worth stopping for */
    /* room: outputs of all layers; a batch by rows; outputs of one layer by rows; gradients by outputs, twice;
       a workshop of room_needed() floats; what layers remember between forward and backward */
    float *values, *batch, *rows, *d, *spare, *panel, *kept;
    float *waiting; /* gradients by places that several layers read, `awaited` floats per example */
    int64_t awaited;
    float *losses; /* (steps,), written */
} Job;

/* Below the first layer with weights nobody asks for a gradient. */
INLINE int64_t first_with_weights(const Job *job) {
    int64_t first = 0;
    while (first < job->depth && job->layers[first].kind > ENCODER) first++;
    return first;
}
