/* Vectors of WIDTH floats, as wide as this processor has them, and the functions that are not one instruction. */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

typedef float V __attribute__((vector_size(4 * WIDTH)));
typedef int32_t I __attribute__((vector_size(4 * WIDTH)));
typedef float Loose __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias)); /* V at any address */

#define INLINE static inline __attribute__((always_inline))
#define PART static __attribute__((noinline)) /* the same code wherever it is called from: the same bits */

INLINE V load(const float *p) { return *(const Loose *)p; }
INLINE void store(float *p, V v) { *(Loose *)p = v; }
INLINE V all(float x) { return x - (V){}; } /* unlike x + 0 this is x for -0 too, and so costs nothing */
INLINE V pick(I mask, V yes, V no) { return (V)((mask & (I)yes) | (~mask & (I)no)); }
INLINE V larger(V a, V b) { return pick(a > b, a, b); } /* b where one of them is NaN */
INLINE V size(V x) { return (V)((I)x & 0x7fffffff); }
INLINE int64_t padded(int64_t n) { return (n + WIDTH - 1) / WIDTH * WIDTH; }

/* Whether any is beyond `most`. */
INLINE int beyond(V x, float most) {
    const I found = x > all(most);
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)found, (__m512i)found) != 0;
#else
    int any = 0;
    for (int l = 0; l < WIDTH; l++) any |= found[l];
    return any != 0;
#endif
}

INLINE float total(V v) {
    float sum = 0;
    for (int i = 0; i < WIDTH; i++) sum += v[i];
    return sum;
}

/* √x for 0 <= x < 1e37, and a / b for b of a like size. Where there are estimates of 1/√x and 1/x, to 14 bits, one step
   of Newton's method takes them to the last bit or beside it, in a third of the time. */
#if defined(__AVX512F__)
INLINE V vroot(V x) {
    V inverse = (V)_mm512_rsqrt14_ps((__m512)larger(x, all(1e-37f))), root = x * inverse;
    return root + 0.5f * inverse * (x - root * root);
}
INLINE V vquotient(V a, V b) {
    V inverse = (V)_mm512_rcp14_ps((__m512)b), quotient = a * inverse;
    return quotient + inverse * (a - quotient * b);
}
#else
INLINE V vroot(V x) {
    V root;
    for (int l = 0; l < WIDTH; l++) root[l] = sqrtf(x[l]);
    return root;
}
INLINE V vquotient(V a, V b) { return a / b; }
#endif

/* e^(x - n ln 2) for x within ln(2)/2 of it, and so near 1. */
INLINE V vexp_rest(V x, V n) {
    V r = x - n * 0.693359375f + n * 2.12194440e-4f;
    V p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return p * r * r + r + 1.f;
}

/* e^x to 1e-7 relative: 2^n times a polynomial in r = x - n ln 2, |r| <= ln(2)/2 (Cephes, expf). */
INLINE V vexp(V x) {
    V bound = pick(x > all(88.3f), all(88.3f), x); /* a NaN stays one */
    bound = pick(bound < all(-87.3f), all(-87.3f), bound);
    V n = bound * 1.44269504f + 12582912.f; /* adding 1.5 * 2^23 rounds to the nearest integer */
    I exponent = (I)n << 23;
    n -= 12582912.f;
    V power = (V)((I)vexp_rest(bound, n) + exponent);
    power = pick(x > all(88.7f), all(__builtin_inff()), power);
    return pick(x == x, power, x);
}

/* e^x for x <= 0 only, in half the time; a NaN stays one. */
INLINE V vexp_below(V x) {
    V bound = pick(x < all(-87.3f), all(-87.3f), x);
    V n = bound * 1.44269504f + 12582912.f;
    V power = (V)(((I)n << 23) + 0x3f800000); /* 2^n */
    n -= 12582912.f;
    return vexp_rest(bound, n) * power;
}

/* tanh: an odd polynomial near 0, where the quotient would lose digits, and 1 - 2/(e^2x + 1) beyond (Cephes, tanhf). */
INLINE V vtanh(V x) {
    V z = x * x, p = all(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    V far = 1.f - 2.f / (vexp(2.f * size(x)) + 1.f);
    far = (V)((I)far | ((I)x ^ (I)size(x))); /* with the sign of x */
    return pick(size(x) < all(0.625f), p * z * x + x, pick(x == x, far, x));
}

INLINE V vsigmoid(V x) { return 1.f / (1.f + vexp(-x)); }

/* The chance that a standard normal number is below x, from erf(x / √2) to 1e-7: a polynomial near 0, beyond it
   1 - e^polynomial (coefficients of N. Juffa's erff). */
INLINE V vnormal(V x) {
    V a = x * 0.70710678118f, t = size(a), s = a * a;
    V p = all(-5.96761703e-4f);
    p = p * s + 4.99119423e-3f;
    p = p * s - 2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s - 3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    V near = p * a + a;
    V q = t * -1.72853470e-5f + 3.83197126e-4f;
    q = q * s + (t * -3.88396438e-3f + 2.42546219e-2f);
    q = q * t - 1.06777877e-1f;
    q = q * t - 6.34846687e-1f;
    q = q * t - 1.28717512e-1f;
    V far = 1.f - vexp(q * t - t);
    far = (V)((I)far | ((I)a ^ (I)t)); /* with the sign of x */
    return 0.5f + 0.5f * pick(t > all(0.927734375f), far, near);
}
