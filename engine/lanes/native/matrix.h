/* Products of small matrices, in tiles that stay in registers. */
#pragma once
#include "optimizers.h"
#include "vector.h"

#if WIDTH == 16
#define TALL 8 /* rows of a tile: TALL x 2 vectors are the accumulators, and must fit into the registers */
#else
#define TALL 4
#endif

/* One tile: `rows` x `vectors` of c = bias + a b, or c += a b. All counts are constants where this is inlined.
   With each turn of its loop goes a vector of what Adam has left to do: it divides while the tile multiplies. */
INLINE void tile(const int rows, const int vectors, const int add, int64_t inner, const float *a, int64_t row,
                 int64_t column, const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias, int64_t lanes,
                 Descent *adam) {
    V sum[TALL][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            if (!add)
                sum[r][v] = all(bias ? bias[r] : 0.f);
            else if (lanes >= (v + 1) * WIDTH)
                sum[r][v] = load(c + r * ldc + v * WIDTH);
            else {
                V last = all(0.f);
                memcpy(&last, c + r * ldc + v * WIDTH, sizeof(float) * (size_t)(lanes - v * WIDTH));
                sum[r][v] = last;
            }
#define TURN                                                                            \
    {                                                                                   \
        V x[2];                                                                         \
        _Pragma("GCC unroll 2")                                                         \
        for (int v = 0; v < vectors; v++) x[v] = load(b + k * ldb + v * WIDTH);         \
        _Pragma("GCC unroll 8")                                                         \
        for (int r = 0; r < rows; r++) {                                                \
            V factor = all(a[r * row + k * column]);                                    \
            _Pragma("GCC unroll 2")                                                     \
            for (int v = 0; v < vectors; v++) sum[r][v] += factor * x[v];               \
        }                                                                               \
    }
    int64_t k = 0;
    if (adam)
        for (; k < inner && adam->at + WIDTH <= adam->end; k++, adam->at += WIDTH) {
            TURN
            descend_at(adam, adam->at);
        }
    for (; k < inner; k++) TURN
#undef TURN
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            if (lanes >= (v + 1) * WIDTH)
                store(c + r * ldc + v * WIDTH, sum[r][v]);
            else {
                V last = sum[r][v]; /* its address is taken; that of `sum` must not be, to stay in registers */
                memcpy(c + r * ldc + v * WIDTH, &last, sizeof(float) * (size_t)(lanes - v * WIDTH));
            }
        }
}

/* c (rows, lanes) = bias (rows,) + a (rows, inner) b (inner, lanes).
   Element (r, k) of a is a[r row + k column], so that a may be a transposed matrix. Rows of b are read to the end of
   their last vector; c is written in its `lanes` only. */
INLINE void product(const int add, int64_t rows, int64_t lanes, int64_t inner, const float *a, int64_t row,
                    int64_t column, const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias) {
#define TILE(R, N)                                                                                                     \
    tile(R, N, add, inner, a + r * row, row, column, b + j, ldb, c + r * ldc + j, ldc, bias ? bias + r : bias, lanes - j, 0)
#define COLUMN(N)                                              \
    {                                                          \
        int64_t r = 0;                                         \
        for (; r + TALL <= rows; r += TALL) TILE(TALL, N);     \
        if (TALL > 4 && r + 4 <= rows) { TILE(4, N); r += 4; } \
        if (r + 2 <= rows) { TILE(2, N); r += 2; }             \
        if (r < rows) TILE(1, N);                              \
    }
    int64_t j = 0;
    for (; j + WIDTH < lanes; j += 2 * WIDTH) COLUMN(2)
    if (j < lanes) COLUMN(1)
#undef COLUMN
#undef TILE
}

PART void multiply(int64_t rows, int64_t lanes, int64_t inner, const float *a, int64_t row, int64_t column,
                   const float *b, int64_t ldb, float *c, int64_t ldc, const float *bias) {
    product(0, rows, lanes, inner, a, row, column, b, ldb, c, ldc, bias);
}

/* c += a b, otherwise like multiply. */
PART void accumulate(int64_t rows, int64_t lanes, int64_t inner, const float *a, int64_t row, int64_t column,
                     const float *b, int64_t ldb, float *c, int64_t ldc) {
    product(1, rows, lanes, inner, a, row, column, b, ldb, c, ldc, 0);
}

/* gradient (rows, columns) = a (rows, inner) b (inner, columns), of the parameters from adam->end on, and meanwhile what
   Adam has left to do. Leaves it to do these. */
PART void multiply_meanwhile(int64_t rows, int64_t columns, int64_t inner, const float *a, int64_t row, const float *b,
                             int64_t ldb, float *gradient, Descent *adam) {
#define TILE(R, N, LANES)                                                                                             \
    tile(R, N, 0, inner, a + r * row, row, 1, b + j, ldb, gradient + r * columns + j, columns, 0, LANES, &own)
#define BAND(R)                                                      \
    {                                                                \
        int64_t j = 0;                                               \
        for (; j + 2 * WIDTH <= columns; j += 2 * WIDTH) TILE(R, 2, 2 * WIDTH); \
        if (j + WIDTH < columns) TILE(R, 2, columns - j);            \
        else if (j < columns) TILE(R, 1, columns - j);               \
        own.end += R * columns;                                      \
        r += R;                                                      \
    }
    Descent own = *adam; /* in registers: what is stored through pointers cannot change it */
    int64_t r = 0;
    while (r + TALL <= rows) BAND(TALL)
    if (TALL > 4 && r + 4 <= rows) BAND(4)
    if (r + 2 <= rows) BAND(2)
    if (r < rows) BAND(1)
    *adam = own;
#undef BAND
#undef TILE
}

/* The sum of the absolute values of `count` numbers, a multiple of WIDTH. */
PART float sizes(int64_t count, const float *x) {
    V sum[4] = {all(0.f), all(0.f), all(0.f), all(0.f)};
    int64_t i = 0;
    for (; i + 4 * WIDTH <= count; i += 4 * WIDTH)
        for (int v = 0; v < 4; v++) sum[v] += size(load(x + i + v * WIDTH));
    for (; i < count; i += WIDTH) sum[0] += size(load(x + i));
    return total(sum[0] + sum[1] + sum[2] + sum[3]);
}

/* The sum of the first `n` of each of `rows` rows of `ld`. */
INLINE float sum_rows(int64_t rows, int64_t n, int64_t ld, const float *d) {
    V sum = all(0.f);
    float rest = 0;
    for (int64_t k = 0; k < rows; k++, d += ld) {
        int64_t r = 0;
        for (; r + WIDTH <= n; r += WIDTH) sum += load(d + r);
        for (; r < n; r++) rest += d[r];
    }
    return total(sum) + rest;
}

/* One stage of a transposition in registers: exchanges the off-diagonal blocks of `step` rows and lanes. */
INLINE void exchange(V *rows, const int step) {
    I low, high; /* which lanes of (a, b) make the new rows */
    for (int l = 0; l < WIDTH; l++) {
        low[l] = l & step ? WIDTH + l - step : l;
        high[l] = l & step ? WIDTH + l : l + step;
    }
#pragma GCC unroll 16
    for (int r = 0; r < WIDTH; r++)
        if (!(r & step)) {
            V a = rows[r], b = rows[r + step];
#if defined(__clang__)
            for (int l = 0; l < WIDTH; l++) {
                rows[r][l] = low[l] < WIDTH ? a[low[l]] : b[low[l] - WIDTH];
                rows[r + step][l] = high[l] < WIDTH ? a[high[l]] : b[high[l] - WIDTH];
            }
#else
            rows[r] = __builtin_shuffle(a, b, low);
            rows[r + step] = __builtin_shuffle(a, b, high);
#endif
        }
}

INLINE void turn(V *block) {
    exchange(block, 1);
    exchange(block, 2);
    if (WIDTH > 4) exchange(block, 4);
    if (WIDTH > 8) exchange(block, 8);
}

/* to (columns, rows) = from (rows, columns), in whole blocks: both have rows and leading dimensions padded to WIDTH. */
PART void transpose(int64_t rows, int64_t columns, const float *from, int64_t ldf, float *to, int64_t ldt) {
    for (int64_t i = 0; i < rows; i += WIDTH)
        for (int64_t j = 0; j < columns; j += WIDTH) {
            V block[WIDTH];
#pragma GCC unroll 16
            for (int r = 0; r < WIDTH; r++) block[r] = load(from + (i + r) * ldf + j);
            turn(block);
#pragma GCC unroll 16
            for (int r = 0; r < WIDTH; r++) store(to + (j + r) * ldt + i, block[r]);
        }
}

/* sums (rows,) of the first `n` of each of `rows` rows of `ld`; of WIDTH rows at a time, where there are as many. */
PART void sum_each(int64_t rows, int64_t n, int64_t ld, const float *d, float *sums) {
    I lane;
    for (int l = 0; l < WIDTH; l++) lane[l] = l;
    const I counted = lane < (I){} + (int32_t)(n - (n - 1) / WIDTH * WIDTH); /* in the last vector of a row */
    int64_t i = 0;
    for (; i + WIDTH <= rows; i += WIDTH, d += WIDTH * ld) {
        V block[WIDTH];
#pragma GCC unroll 16
        for (int64_t r = 0; r < WIDTH; r++) {
            int64_t k = 0;
            block[r] = all(0.f);
            for (; k + WIDTH < n; k += WIDTH) block[r] += load(d + r * ld + k);
            block[r] += (V)((I)load(d + r * ld + k) & counted);
        }
        turn(block);
#pragma GCC unroll 16
        for (int r = 1; r < WIDTH; r++) block[0] += block[r];
        store(sums + i, block[0]);
    }
    for (; i < rows; i++, d += ld) sums[i] = sum_rows(1, n, ld, d);
}
