/* Gradients of dense layers, and the optimizer's step: by itself, or Adam's while the gradients are computed. */
#pragma once
#include "job.h"
#include "matrix.h"
#include "merge.h"
#include "optimizers.h"

/* The gradient by the inputs of a dense layer, (inputs, ld), from d (outputs, ld). */
PART void dense_below(const Job *job, const Layer *layer, int64_t ld, const float *d, float *below) {
    multiply(layer->inputs, ld, layer->outputs, job->weights + layer->weight, 1, layer->inputs, d, ld, below, ld, 0);
}

/* Gradients of the parameters of a dense layer from d (outputs, ld) and its inputs x (inputs, ld). With `adam`, which
   has come to its weights, it takes its step meanwhile. */
PART void dense_gradient(const Job *job, const Layer *layer, int64_t n, const float *x, const float *d, Descent *adam) {
    const int64_t ld = padded(n), inputs = layer->inputs, outputs = layer->outputs, ldx = padded(inputs);
    const float *by_rows = job->batch;
    float *weight = job->gradient + layer->weight;
    if (x != job->values) {
        transpose(ldx, ld, x, ld, job->rows, ldx);
        by_rows = job->rows;
    }
    if (adam)
        multiply_meanwhile(outputs, inputs, n, d, ld, by_rows, ldx, weight, adam);
    else
        multiply(outputs, inputs, n, d, ld, 1, by_rows, ldx, weight, inputs, 0);
    if (layer->bias >= 0) sum_each(outputs, n, ld, d, job->gradient + layer->bias);
}

/* Whether Adam can take its step while gradients are computed: all parameters are those of dense layers, and what it does
   to one needs no other one's gradient. */
PART int moves_meanwhile(const Job *job) {
    int64_t parameters = 0;
    if (job->optimizer != ADAM || job->l1 > 0 || job->l2 > 0 || job->clip_value > 0 || job->clip_norm > 0) return 0;
    for (int64_t i = first_with_weights(job); i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        if (layer->kind != LINEAR && layer->kind < DROPOUT) return 0;
        if (layer->kind == LINEAR) parameters += layer->outputs * (layer->inputs + (layer->bias >= 0));
    }
    return parameters == job->count;
}

/* Down a chain of dense layers: the gradients by what each gives, (outputs, ld), in job->panel from the last layer on.
   Returns those of the first; null where the gradients of weights, Σ d x, might not be finite. */
PART float *dense_down(const Job *job, int64_t n, const float *masks_end) {
    const int64_t ld = padded(n), first = first_with_weights(job);
    float *d = job->panel;
    memcpy(d, job->d, sizeof(float) * (size_t)(job->outputs * ld));
    for (int64_t i = job->depth - 1; i >= first; i--) {
        const Layer *layer = job->layers + i;
        const float *x = standing(job, layer->source, ld), *y = standing(job, i + 1, ld);
        if (!value_backward(layer, n, x, y, d, &masks_end)) {
            const double most = (double)sizes(layer->outputs * ld, d) * sizes(layer->inputs * ld, x);
            if (!(most < 1e37)) return 0;
            if (i > first) {
                dense_below(job, layer, ld, d, d + layer->outputs * ld);
                d += layer->outputs * ld;
            }
        }
    }
    return d;
}

/* Up again, with what dense_down returned: the gradients of weights, and Adam's step with them. */
PART void dense_up(const Job *job, int64_t n, const float *d, Descent *adam) {
    const int64_t ld = padded(n), first = first_with_weights(job);
    for (int64_t i = first; i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        if (layer->kind == LINEAR) {
            const float *x = standing(job, layer->source, ld);
            if (i > first) d -= layer->outputs * ld;
            if (adam->end != layer->weight) {
                descend(adam);
                adam->at = adam->end = layer->weight;
            }
            dense_gradient(job, layer, n, x, d, adam);
        }
    }
    descend(adam);
}

INLINE Descent adam_of(const Job *job, double rate) {
    return adam(job->weights, job->gradient, job->state_a, job->state_b, job->products, job->average, job->eps, rate,
                job->momentum, job->decay);
}

/* Adam's step for what weight decay leaves alone. */
INLINE void move_undecayed(const Job *job, Descent adam) {
    adam.keep = 1;
    adam.at = job->decayed, adam.end = job->count;
    descend(&adam);
}

/* backward and the optimizer's step in one; 0 where it is not certain that all gradients will be finite. */
PART int backward_and_move(const Job *job, int64_t n, const float *masks_end, double rate) {
    const float *d = dense_down(job, n, masks_end);
    if (!d) return 0;
    Descent adam = adam_of(job, rate);
    dense_up(job, n, d, &adam);
    move_undecayed(job, adam);
    return 1;
}

/* The optimizer's step from the gradient as it stands. */
PART void move(const Job *job, double rate) {
    const float keep = (float)(1 - rate * job->decay);
    if (job->optimizer == ADAM) {
        Descent adam = adam_of(job, rate);
        adam.end = job->decayed;
        descend(&adam);
        move_undecayed(job, adam);
        return;
    }
    if (job->decay > 0)
        for (int64_t i = 0; i < job->decayed; i++) job->weights[i] *= keep;
    update(job->optimizer, job->count, job->weights, job->gradient, job->state_a, job->state_b, job->average, job->eps,
           rate, job->momentum);
}
