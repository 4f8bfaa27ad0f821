// The type that numbers are stored in (`real`) and the one they are computed in (`acc`). Narrow formats are computed in
// float32 and rounded to nearest, ties to even, wherever a number is stored or compared with one that is.

#if defined(PCSIM_FLOAT64)
typedef double real;
typedef double acc;
#elif defined(PCSIM_FLOAT32)
typedef float real;
typedef float acc;
#elif defined(PCSIM_BFLOAT16) || defined(PCSIM_FLOAT16)
typedef unsigned short real;
typedef float acc;
#endif

#if defined(PCSIM_BFLOAT16)

__device__ inline acc widened(real bits) { return __uint_as_float((unsigned int)bits << 16); }

__device__ inline real narrowed(acc value) {
    const unsigned int bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (real)((bits >> 16) | 0x40u);
    return (real)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

#elif defined(PCSIM_FLOAT16)

// A subnormal of float16 is a normal number of float32: 2^112 moves the exponents of one format to those of the other.
__device__ inline acc widened(real bits) {
    const unsigned int sign = (unsigned int)(bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    if (rest >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    const acc size = __uint_as_float(rest << 13) * __uint_as_float(0x77800000u);
    return __uint_as_float(__float_as_uint(size) | sign);
}

__device__ inline real narrowed(acc value) {
    const unsigned int bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return (real)(sign | 0x7e00u);
    if (size >= 0x477ff000u) return (real)(sign | 0x7c00u);
    // Adding 1/2 leaves as many digits as a subnormal has, rounded by the addition itself.
    if (size < 0x38800000u) return (real)(sign | (__float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000u));
    return (real)(sign | (size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13);
}

#else

__device__ inline acc widened(real value) { return value; }
__device__ inline real narrowed(acc value) { return value; }

#endif

__device__ inline acc rounded(acc value) { return widened(narrowed(value)); }
__device__ inline acc load(const real *array, long long k) { return widened(array[k]); }
__device__ inline void store(real *array, long long k, acc value) { array[k] = narrowed(value); }
