/* Half precision in memory: 16 bits outside, floats inside. */
#ifndef MMACDA_HALF_H
#define MMACDA_HALF_H
#include "lanes.h"

/* Of problem.storage; mirrored by STORAGES in half.py. */
enum { FLOAT32, BFLOAT16, FLOAT16 };

#if defined(__F16C__)
#include <immintrin.h>
#define HAS_FLOAT16 1
#elif defined(__aarch64__)
#define HAS_FLOAT16 1
#else
#define HAS_FLOAT16 0
#endif

INLINE float from_bfloat16(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof(value));
  return value;
}

INLINE uint16_t to_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  /* NaN must not round to infinity. */
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40
                                                     : nearest);
}

INLINE float from_float16(uint16_t bits) {
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#elif defined(__aarch64__)
  __fp16 value;
  memcpy(&value, &bits, sizeof(value));
  return value;
#else
  (void)bits;
  return 0; /* never called, see mmacda_storages */
#endif
}

INLINE uint16_t to_float16(float value) {
#if defined(__F16C__)
  return (uint16_t)_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__aarch64__)
  __fp16 narrow = (__fp16)value;
  uint16_t bits;
  memcpy(&bits, &narrow, sizeof(bits));
  return bits;
#else
  (void)value;
  return 0;
#endif
}

/* What the storages of problem.storage are a bit of: 1 << storage. */
int mmacda_storages(void) {
  return 1 << FLOAT32 | 1 << BFLOAT16 | HAS_FLOAT16 << FLOAT16;
}

/* `storage` is a constant wherever these are called. */
INLINE char *element(const void *tensor, int64_t index, int storage) {
  return (char *)tensor + index * (storage == FLOAT32 ? 4 : 2);
}

INLINE void copy_element(float *inner, char *outer, int storage,
                         int outwards) {
  uint16_t bits;
  if (storage == FLOAT32) {
    if (outwards)
      memcpy(outer, inner, sizeof(float));
    else
      memcpy(inner, outer, sizeof(float));
  } else if (outwards) {
    bits = storage == BFLOAT16 ? to_bfloat16(*inner) : to_float16(*inner);
    memcpy(outer, &bits, sizeof(bits));
  } else {
    memcpy(&bits, outer, sizeof(bits));
    *inner = storage == BFLOAT16 ? from_bfloat16(bits) : from_float16(bits);
  }
}

/* Neighbouring elements. */
INLINE void copy_elements(float *inner, char *outer, int64_t length,
                          int storage, int outwards) {
  int64_t i = 0;
  if (storage == FLOAT32) {
    if (outwards)
      memcpy(outer, inner, length * sizeof(float));
    else
      memcpy(inner, outer, length * sizeof(float));
    return;
  }
#if defined(__F16C__)
  /* Compilers do not make vectors of these conversions themselves. */
  for (; storage == FLOAT16 && i + 8 <= length; i += 8) {
    __m128i *at = (__m128i *)(outer + 2 * i);
    if (outwards)
      _mm_storeu_si128(at, _mm256_cvtps_ph(_mm256_loadu_ps(inner + i),
                                           _MM_FROUND_TO_NEAREST_INT));
    else
      _mm256_storeu_ps(inner + i, _mm256_cvtph_ps(_mm_loadu_si128(at)));
  }
#endif
  for (; i < length; i++)
    copy_element(inner + i, outer + 2 * i, storage, outwards);
}
#endif
