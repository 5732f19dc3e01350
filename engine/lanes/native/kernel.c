/* Training steps of a network of layers, many per call, without Python and without autograd.

   A batch lies on its side: values are (unit, example), examples padded to whole vectors, so that every layer of any
   width works on full vectors. Padding columns are computed along and never read by what counts.
   The numbers are those of engine/lanes/eager.py; tests/engine/test_lanes.py holds them together. */
#include "batch_norm.h"
#include "dense.h"
#include "encoder.h"
#include "losses.h"
#include "merge.h"
#include "recurrent.h"
#include "tokens.h"
#include "windows.h"

enum { BACKWARD = 1, PENALTY = 2, FINISH = 4 }; /* parts of a step; a watched one is done part by part */

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
    case RNN:
    case LSTM:
    case GRU: remember(layer, ld, job->weights, x, y, kept, job->panel); break;
    case PROJECT: project(layer, ld, weight, bias, x, y); break;
    case EMBEDDING: look_up(layer, n, ld, weight, x, y, job->panel); break;
    case POSITIONS: place(layer, ld, layer->table ? layer->table : weight, x, y); break;
    case NORM: norm(layer, ld, layer->weight < 0 ? 0 : weight, bias, x, y, kept); break;
    case BATCH_NORM: batch_norm(layer, n, ld, layer->weight < 0 ? 0 : weight, bias, x, y, kept); break;
    case ENCODER: encode(layer, ld, job->weights, x, y, kept, job->panel); break;
    case MEAN: average(layer, ld, x, y); break;
    case SWAP: swap(layer->steps, layer->features, ld, x, y); break;
    case ADD:
    case CONCAT: merge(layer, ld, x, standing(job, layer->second, ld), y); break;
    case MAX_POOL:
    case AVG_POOL: pool(layer, ld, x, y); break;
    default: activate(layer, layer->outputs * ld, x, y);
    }
}

/* Returns the place behind the masks that it took; fills `values`. */
PART const float *forward(const Job *job, int64_t n, const float *masks) {
    const int64_t ld = padded(n);
    for (int64_t i = 0; i < job->depth; i++) {
        const Layer *layer = job->layers + i;
        const float *x = standing(job, layer->source, ld);
        float *y = standing(job, i + 1, ld);
        if (layer->kind == DROPOUT)
            masks += drop(layer, n, ld, masks, x, y);
        else
            layer_forward(job, layer, n, x, y);
    }
    return masks;
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
    case RNN:
    case LSTM:
    case GRU: remember_back(layer, n, ld, job->weights, job->gradient, x, kept, d, below, job->panel); break;
    case PROJECT: project_back(layer, n, ld, job->weights, job->gradient, x, d, below, job->panel); break;
    case EMBEDDING: look_up_back(layer, n, ld, x, d, job->gradient + layer->weight, job->panel); break;
    case NORM: norm_back(layer, n, ld, job->weights, job->gradient, d, below, kept, job->panel); break;
    case BATCH_NORM: batch_norm_back(layer, n, ld, job->weights, job->gradient, d, below, kept); break;
    case ENCODER: encode_back(layer, n, ld, job->weights, job->gradient, x, kept, d, below, job->panel); break;
    case MEAN: average_back(layer, ld, d, below); break;
    case SWAP: swap(layer->features, layer->steps, ld, d, below); break;
    default: pool_back(layer, ld, x, y, d, below);
    }
}

PART void backward(const Job *job, int64_t n, const float *masks_end) {
    const int64_t ld = padded(n), first = first_with_weights(job);
    float *d = job->d, *other = job->spare;
    memset(job->waiting, 0, sizeof(float) * (size_t)(job->awaited * ld));
    for (int64_t i = job->depth - 1; i >= first; i--) {
        const Layer *layer = job->layers + i;
        const float *x = standing(job, layer->source, ld), *y = standing(job, i + 1, ld);
        if (layer->wait >= 0) memcpy(d, waiting(job, i + 1, ld), sizeof(float) * (size_t)(layer->outputs * ld));
        if (layer->kind == ADD || layer->kind == CONCAT) {
            part(job, layer, ld, d);
            continue;
        }
        if (layer->kind == POSITIONS) {
            if (!layer->table) place_back(layer, n, ld, d, job->gradient + layer->weight);
        } else if (!value_backward(layer, n, x, y, d, &masks_end)) {
            layer_backward(job, layer, n, x, y, d, layer->source > first || layer->kind >= NORM ? other : 0);
            float *used = d;
            d = other;
            other = used;
        }
        float *later = layer->source > first ? waiting(job, layer->source, ld) : 0;
        if (later) add(layer->inputs * ld, d, later);
    }
}

PART double loss(const Job *job, const int64_t *index, int64_t n) {
    const int64_t ld = padded(n);
    const float *o = standing(job, job->depth, ld), smoothing = (float)job->smoothing;
    if (job->loss == CROSS_ENTROPY)
        return cross_entropy(n, job->outputs, ld, o, job->labels, index, smoothing, job->d);
    return by_element(job->loss, n, job->outputs, ld, o, job->targets, index, smoothing, job->d);
}

INLINE int64_t layer_room(const Layer *layer, int64_t ld) {
    switch (layer->kind) {
    case CONV: return panel_size(layer, ld);
    case RNN:
    case LSTM:
    case GRU: return memory_size(layer, ld);
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

/* Does `parts` of step s. Returns 0, and changes no weight, where its loss or its gradient is not finite. */
INLINE int step(const Job *job, int64_t s, int64_t parts, int meanwhile, const float **masks) {
    const int64_t *index = job->index + job->bounds[s], n = job->bounds[s + 1] - job->bounds[s];
    if (parts & BACKWARD) {
        gather(job, index, n);
        *masks = forward(job, n, *masks);
        job->losses[s] = (float)loss(job, index, n);
        if (meanwhile && job->losses[s] * 0 == 0 && backward_and_move(job, n, *masks, job->rates[s])) return 1;
        backward(job, n, *masks);
    }
    if (parts & PENALTY) {
        penalize(job->decayed, job->weights, job->gradient, (float)job->l1, (float)job->l2);
        if (!(job->losses[s] * 0 == 0) || !sound(job->count, job->gradient)) return 0;
    }
    if (parts & FINISH) {
        clip(job->count, job->gradient, job->clip_value, job->clip_norm);
        move(job, job->rates[s]);
    }
    return 1;
}

/* Numbers in the dropout masks of one example. */
INLINE int64_t drawn(const Job *job) {
    int64_t sum = 0;
    for (const Layer *l = job->layers; l < job->layers + job->depth; l++)
        sum += l->kind == DROPOUT && l->slope > 0 ? l->outputs : 0;
    return sum;
}

/* Does `parts` of the steps from `first` up to `end` and returns how many were done. Fewer, where the loss or the
   gradient of the next one is not finite: it then has its loss and gradient, and has changed no weight; or where the
   loss of the last is beyond `bound`. */
int64_t run(const Job *job, int64_t first, int64_t end, int64_t parts) {
    const float *masks = job->masks + job->bounds[first] * drawn(job);
    const int meanwhile = parts == (BACKWARD | PENALTY | FINISH) && moves_meanwhile(job);
    for (int64_t s = first; s < end; s++) {
        if (!step(job, s, parts, meanwhile, &masks)) return s - first;
        if (job->losses[s] > job->bound) return s + 1 - first;
    }
    return end - first;
}
