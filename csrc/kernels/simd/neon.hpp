// NEON on AArch64: four lanes, thirty-two registers.
//
// fmin and fmax treat NaN and signed zeros otherwise than x86, so min and max are a comparison and a selection here:
// the second operand wins unless the first is strictly smaller (larger).
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace {
namespace simd {

using Vec = float32x4_t;
constexpr const char* kName = "neon";
constexpr int kLanes = 4;
// Estimated from operations: four images in the lanes take as many as three single ones.
constexpr int kSingleAtMost = 2;
constexpr int kRegisters = 32;

inline Vec load(const float* p) { return vld1q_f32(p); }
inline void store(float* p, Vec v) { vst1q_f32(p, v); }
inline Vec load_any(const void* p) { return vld1q_f32(static_cast<const float*>(p)); }  // at any alignment
inline void store_any(float* p, Vec v) { vst1q_f32(p, v); }
inline Vec broadcast(float x) { return vdupq_n_f32(x); }
inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec min(Vec a, Vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline Vec max(Vec a, Vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

inline void accumulate(Vec& sum, Vec a, Vec b) { sum = fma(a, b, sum); }

inline Vec low_bits_to_exponent(Vec v) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(v), 23)); }

// kLanes bytes as floats; rows to columns; a b, side by side, to even and odd columns.
inline Vec from_bytes(const unsigned char* p) {
  std::uint32_t bytes;
  __builtin_memcpy(&bytes, p, sizeof bytes);
  return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes)))));
}

inline void transpose(Vec (&rows)[kLanes]) {
  const float32x4x2_t upper = vtrnq_f32(rows[0], rows[1]), lower = vtrnq_f32(rows[2], rows[3]);
  for (int i = 0; i < 2; ++i) {
    rows[i] = vcombine_f32(vget_low_f32(upper.val[i]), vget_low_f32(lower.val[i]));
    rows[i + 2] = vcombine_f32(vget_high_f32(upper.val[i]), vget_high_f32(lower.val[i]));
  }
}

inline void split_columns(Vec& a, Vec& b) {
  const float32x4x2_t columns = vuzpq_f32(a, b);
  a = columns.val[0];
  b = columns.val[1];
}

}  // namespace simd
}  // namespace
