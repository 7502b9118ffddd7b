// AVX-512 (the foundation subset only): sixteen lanes, thirty-two registers.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

using Vec = __m512;
constexpr const char* kName = "avx512";
constexpr int kLanes = 16;
// Estimated from operations: sixteen images in the lanes take as many as eleven single ones, which have more overhead.
constexpr int kSingleAtMost = 8;
constexpr int kRegisters = 32;

inline Vec load(const float* p) { return _mm512_load_ps(p); }
inline void store(float* p, Vec v) { _mm512_store_ps(p, v); }
inline Vec load_any(const void* p) { return _mm512_loadu_ps(p); }  // at any alignment
inline void store_any(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }

// sum = fma(a, b, sum) where sum is. A compiler that may choose moves sums from register to register and, where nearly
// all are taken, through memory, which makes a chain twice as slow.
inline void accumulate(Vec& sum, Vec a, Vec b) { asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }

inline Vec low_bits_to_exponent(Vec v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v), 23)); }

// kLanes bytes as floats; rows to columns; a b, side by side, to even and odd columns.
inline Vec from_bytes(const unsigned char* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

inline void transpose(Vec (&rows)[kLanes]) {
  Vec pairs[kLanes], fours[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < kLanes; i += 4)
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] = _mm512_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0x44);
      fours[i + 2 * j + 1] = _mm512_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {  // quarters of four vectors: columns i, i + 4, i + 8 and i + 12
    const Vec low = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0x88);
    const Vec high = _mm512_shuffle_f32x4(fours[i], fours[i + 4], 0xdd);
    const Vec low8 = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0x88);
    const Vec high8 = _mm512_shuffle_f32x4(fours[i + 8], fours[i + 12], 0xdd);
    rows[i] = _mm512_shuffle_f32x4(low, low8, 0x88);
    rows[i + 4] = _mm512_shuffle_f32x4(high, high8, 0x88);
    rows[i + 8] = _mm512_shuffle_f32x4(low, low8, 0xdd);
    rows[i + 12] = _mm512_shuffle_f32x4(high, high8, 0xdd);
  }
}

inline void split_columns(Vec& a, Vec& b) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const Vec evens = _mm512_permutex2var_ps(a, even, b);
  b = _mm512_permutex2var_ps(a, odd, b);
  a = evens;
}

}  // namespace simd
}  // namespace
