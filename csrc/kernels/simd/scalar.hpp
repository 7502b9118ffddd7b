// The baseline: one lane, no instruction beyond what every machine of the architecture has.
//
// Fused multiply-add without the instruction. In double precision a * b is exact (24 + 24 <= 53 bits), so rounding
// a * b + c to double and then to float is wrong in two cases only: the double lies exactly between two floats, or the
// float is subnormal. Then the first rounding is redone towards odd, which keeps the second one honest (Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums", 2008). About ten instructions: a sure answer, not a fast
// one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

using Vec = float;
constexpr const char* kName = "baseline";
constexpr int kLanes = 1;
constexpr int kSingleAtMost = 0;  // one lane: there is nothing to gain
constexpr int kRegisters = 16;

inline Vec load(const float* p) { return *p; }
inline void store(float* p, Vec v) { *p = v; }
inline Vec load_any(const void* p) {  // at any alignment
  float value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}
inline void store_any(float* p, Vec v) { *p = v; }
inline Vec broadcast(float x) { return x; }
inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline Vec div(Vec a, Vec b) { return a / b; }

inline double rounded_to_odd(double product, double c, double sum) {
  const double c_part = sum - product;
  const double error = (product - (sum - c_part)) + (c - c_part);
  std::uint64_t bits;
  __builtin_memcpy(&bits, &sum, sizeof bits);
  if (error != 0 && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
  __builtin_memcpy(&sum, &bits, sizeof bits);
  return sum;
}

inline Vec fma(Vec a, Vec b, Vec c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  const double product = static_cast<double>(a) * b;
  const double sum = product + c;
  std::uint64_t bits;
  __builtin_memcpy(&bits, &sum, sizeof bits);
  const bool halfway = (bits & 0x1fffffff) == 0x10000000;
  const bool subnormal = (bits << 1) - 1 < (0x3810000000000000u << 1) - 1;  // 0 < |sum| < 2^-126
  return static_cast<float>(halfway || subnormal ? rounded_to_odd(product, c, sum) : sum);
#endif
}

inline Vec min(Vec a, Vec b) { return a < b ? a : b; }
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }

inline void accumulate(Vec& sum, Vec a, Vec b) { sum = fma(a, b, sum); }

inline Vec low_bits_to_exponent(Vec v) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  bits <<= 23;
  __builtin_memcpy(&v, &bits, sizeof bits);
  return v;
}

// kLanes bytes as floats; rows to columns; a b, side by side, to even and odd columns.
inline Vec from_bytes(const unsigned char* p) { return static_cast<float>(*p); }
inline void transpose(Vec (&)[kLanes]) {}
inline void split_columns(Vec&, Vec&) {}

}  // namespace simd
}  // namespace
