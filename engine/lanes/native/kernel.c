/* Training steps of a chain of layers, many per call, without Python and without autograd.

   A batch lies on its side: values are (unit, example), examples padded to whole vectors, so that every layer of any
   width works on full vectors. Padding columns are computed along and never read by what counts.
   The numbers are those of engine/lanes/eager.py; tests/engine/test_lanes.py holds them together. */
#include "encoder.h"
#include "layers.h"
#include "losses.h"
#include "matrix.h"
#include "optimizers.h"
#include "recurrent.h"
#include "tokens.h"
#include "windows.h"

enum { BACKWARD = 1, PENALTY = 2, FINISH = 4 }; /* parts of a step; a watched one is done part by part */

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
    /* room: outputs of all layers; a batch by rows; outputs of one layer by rows; gradients by outputs, twice;
       a workshop of room_needed() floats; what layers remember between forward and backward */
    float *values, *batch, *rows, *d, *spare, *panel, *kept;
    float *losses; /* (steps,), written */
} Job;

int64_t width(void) { return WIDTH; }

PART void gather(const Job *job, const int64_t *index, int64_t n) {
    const int64_t ldx = padded(job->inputs);
    for (int64_t r = 0; r < n; r++)
        memcpy(job->batch + r * ldx, job->x + index[r] * job->inputs, sizeof(float) * (size_t)job->inputs);
    transpose(padded(n), ldx, job->batch, ldx, job->values, padded(n));
}

/* A layer of one step after the other, or one with windows: y from x. */
PART void layer_forward(const Job *job, const Layer *layer, int64_t n, const float *x, float *y) {
    const int64_t ld = padded(n);
    const float *weight = job->weights + layer->weight, *bias = layer->bias < 0 ? 0 : job->weights + layer->bias;
    float *kept = job->kept + layer->kept * ld;
    switch (layer->kind) {
    case LINEAR: multiply(layer->outputs, ld, layer->inputs, weight, layer->inputs, 1, x, ld, y, ld, bias); break;
    case CONV: convolve(layer, ld, weight, bias, x, y, job->panel); break;
    case LSTM: remember(layer, ld, job->weights, x, y, kept, job->panel); break;
    case PROJECT: project(layer, ld, weight, bias, x, y); break;
    case EMBEDDING: look_up(layer, n, ld, weight, x, y, job->panel); break;
    case POSITIONS: place(layer, ld, layer->table ? layer->table : weight, x, y); break;
    case NORM: norm(layer, ld, layer->weight < 0 ? 0 : weight, bias, x, y, kept); break;
    case ENCODER: encode(layer, ld, job->weights, x, y, kept, job->panel); break;
    case MEAN: average(layer, ld, x, y); break;
    case MAX_POOL:
    case AVG_POOL: pool(layer, ld, x, y); break;
    default: activate(layer, layer->outputs * ld, x, y);
    }
}

/* Returns the place behind the masks that it took; fills `values`. */
PART const float *forward(const Job *job, int64_t n, const float *masks) {
    const int64_t ld = padded(n);
    float *x = job->values;
    for (int64_t i = 0; i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        float *y = x + layer->inputs * ld;
        if (layer->kind == DROPOUT)
            masks += drop(layer, n, ld, masks, x, y);
        else
            layer_forward(job, layer, n, x, y);
        x = y;
    }
    return masks;
}

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

/* Gradients of one layer from d; the gradient by its inputs x goes to `below`, if that is asked for. */
PART void layer_backward(const Job *job, const Layer *layer, int64_t n, const float *x, const float *y, const float *d,
                         float *below) {
    const int64_t ld = padded(n);
    const float *weight = job->weights + layer->weight;
    float *kept = job->kept + layer->kept * ld;
    switch (layer->kind) {
    case LINEAR: {
        dense_gradient(job, layer, n, x, d, 0);
        if (below) dense_below(job, layer, ld, d, below);
        break;
    }
    case CONV: {
        float *bias = layer->bias < 0 ? 0 : job->gradient + layer->bias;
        convolve_weights(layer, n, ld, x, d, job->gradient + layer->weight, bias, job->panel);
        if (below) convolve_back(layer, ld, weight, d, below, job->panel);
        break;
    }
    case LSTM: remember_back(layer, n, ld, job->weights, job->gradient, x, kept, d, below, job->panel); break;
    case PROJECT: project_back(layer, n, ld, job->weights, job->gradient, x, d, below, job->panel); break;
    case EMBEDDING: look_up_back(layer, n, ld, x, d, job->gradient + layer->weight, job->panel); break;
    case NORM: norm_back(layer, n, ld, job->weights, job->gradient, d, below, kept, job->panel); break;
    case ENCODER: encode_back(layer, n, ld, job->weights, job->gradient, x, kept, d, below, job->panel); break;
    case MEAN: average_back(layer, ld, d, below); break;
    default: pool_back(layer, ld, x, y, d, below);
    }
}

/* Below the first layer with weights nobody asks for a gradient. */
INLINE int64_t first_with_weights(const Job *job) {
    int64_t first = 0;
    while (first < job->depth && job->layers[first].kind > ENCODER) first++;
    return first;
}

PART void backward(const Job *job, int64_t n, const float *masks_end) {
    const int64_t ld = padded(n), first = first_with_weights(job);
    float *d = job->d, *other = job->spare, *y = job->values;
    for (int64_t i = 0; i < job->depth; i++) y += job->layers[i].inputs * ld;
    for (int64_t i = job->depth - 1; i >= first; i--) {
        const Layer *layer = job->layers + i;
        const float *x = y - layer->inputs * ld;
        if (layer->kind == DROPOUT) {
            masks_end -= layer->slope > 0 ? n * layer->outputs : 0;
            drop(layer, n, ld, masks_end, d, d);
        } else if (layer->kind == POSITIONS) {
            if (!layer->table) place_back(layer, n, ld, d, job->gradient + layer->weight);
        } else if (layer->kind > DROPOUT)
            activate_backward(layer, layer->outputs * ld, x, y, d);
        else {
            layer_backward(job, layer, n, x, y, d, i > first || layer->kind >= NORM ? other : 0);
            float *used = d;
            d = other;
            other = used;
        }
        y = (float *)x;
    }
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
    float *d = job->panel, *y = job->values;
    memcpy(d, job->d, sizeof(float) * (size_t)(job->outputs * ld));
    for (int64_t i = 0; i < job->depth; i++) y += job->layers[i].inputs * ld;
    for (int64_t i = job->depth - 1; i >= first; i--) {
        const Layer *layer = job->layers + i;
        const float *x = y - layer->inputs * ld;
        if (layer->kind == DROPOUT) {
            masks_end -= layer->slope > 0 ? n * layer->outputs : 0;
            drop(layer, n, ld, masks_end, d, d);
        } else if (layer->kind > DROPOUT)
            activate_backward(layer, layer->outputs * ld, x, y, d);
        else {
            const double most = (double)sizes(layer->outputs * ld, d) * sizes(layer->inputs * ld, x);
            if (!(most < 1e37)) return 0;
            if (i > first) {
                dense_below(job, layer, ld, d, d + layer->outputs * ld);
                d += layer->outputs * ld;
            }
        }
        y = (float *)x;
    }
    return d;
}

/* Up again, with what dense_down returned: the gradients of weights, and Adam's step with them. */
PART void dense_up(const Job *job, int64_t n, const float *d, Descent *adam) {
    const int64_t ld = padded(n), first = first_with_weights(job);
    const float *x = job->values;
    for (int64_t i = 0; i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        if (layer->kind == LINEAR) {
            if (i > first) d -= layer->outputs * ld;
            if (adam->end != layer->weight) {
                descend(adam);
                adam->at = adam->end = layer->weight;
            }
            dense_gradient(job, layer, n, x, d, adam);
        }
        x += layer->inputs * ld;
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

PART double loss(const Job *job, const int64_t *index, int64_t n) {
    const int64_t ld = padded(n);
    const float *o = job->values + job->inputs * ld, smoothing = (float)job->smoothing;
    for (int64_t i = 0; i < job->depth - 1; i++) o += job->layers[i].outputs * ld;
    if (job->loss == CROSS_ENTROPY)
        return cross_entropy(n, job->outputs, ld, o, job->labels, index, smoothing, job->d);
    return by_element(job->loss, n, job->outputs, ld, o, job->targets, index, smoothing, job->d);
}

INLINE int64_t layer_room(const Layer *layer, int64_t ld) {
    switch (layer->kind) {
    case CONV: return panel_size(layer, ld);
    case LSTM: return memory_size(layer, ld);
    case ENCODER: return encoder_size(layer, ld);
    case NORM: return 2 * layer->features * WIDTH;
    case PROJECT:
    case EMBEDDING: return tokens_size(layer, ld);
    }
    return 0;
}

/* Floats that Job.panel must have for batches of `ld` examples. */
int64_t room_needed(const Job *job, int64_t ld) {
    int64_t most = 0, gradients = 0; /* for one layer after the other; for all dense ones together */
    for (int64_t i = 0; i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        const int64_t room = layer_room(layer, ld);
        most = room > most ? room : most;
        gradients += layer->kind == LINEAR ? layer->outputs * ld : 0;
    }
    return most > gradients ? most : gradients;
}

/* Does `parts` of `steps` steps and returns how many were done. Fewer, where the loss or the gradient of the next one
   is not finite: it then has its loss and gradient, and has changed no weight. */
int64_t run(const Job *job, int64_t steps, int64_t parts) {
    const float *masks = job->masks;
    const int meanwhile = parts == (BACKWARD | PENALTY | FINISH) && moves_meanwhile(job);
    for (int64_t s = 0; s < steps; s++) {
        const int64_t *index = job->index + job->bounds[s], n = job->bounds[s + 1] - job->bounds[s];
        if (parts & BACKWARD) {
            gather(job, index, n);
            masks = forward(job, n, masks);
            job->losses[s] = (float)loss(job, index, n);
            if (meanwhile && job->losses[s] * 0 == 0 && backward_and_move(job, n, masks, job->rates[s])) continue;
            backward(job, n, masks);
        }
        if (parts & PENALTY) {
            penalize(job->decayed, job->weights, job->gradient, (float)job->l1, (float)job->l2);
            if (!(job->losses[s] * 0 == 0) || !sound(job->count, job->gradient)) return s;
        }
        if (parts & FINISH) {
            clip(job->count, job->gradient, job->clip_value, job->clip_norm);
            move(job, job->rates[s]);
        }
    }
    return steps;
}
