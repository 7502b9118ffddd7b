// 2x2 subsampling with stride 2, alone or behind the activation of a convolution.
//
// A window's four values a b / c d are added as (a + b) + (c + d); behind a tanh they are added as fractions, so that
// one division serves the window. For `max` the activation follows the maximum instead of preceding it: every
// activation here rises with its argument, so the result is the same for a quarter of the work.
#pragma once

namespace {

// One window of values that `Type` still has to activate.
template <class Type>
inline Vec window(Type type, Pooling pooling, Vec a, Vec b, Vec c, Vec d, Vec coefficient, Vec bias) {
  if (pooling == Pooling::max) return type.apply(simd::max(simd::max(a, b), simd::max(c, d)));
  return simd::fma(coefficient, type.sum(a, b, c, d), bias);
}

// Two rows of 2 * width vectors -> one row of width vectors, not yet activated themselves.
template <class Type>
inline void windows(Type type, Pooling pooling, Vec coefficient, Vec bias, const float* upper, const float* lower,
                    int width, float* out) {
  constexpr int kStep = 2 * simd::kLanes;
  for (int x = 0; x < width; ++x) {
    const float *const u = upper + x * kStep, *const l = lower + x * kStep;
    const Vec pooled = window(type, pooling, simd::load(u), simd::load(u + simd::kLanes), simd::load(l),
                              simd::load(l + simd::kLanes), coefficient, bias);
    simd::store(out + x * simd::kLanes, pooled);
  }
}

inline void subsample_rows(Activation before, const Subsample2x2& layer, Vec coefficient, Vec bias, const float* upper,
                           const float* lower, int width, float* out) {
  with_activation(before,
                  [=](auto type) { windows(type, layer.pooling, coefficient, bias, upper, lower, width, out); });
  activate_vectors(layer.activation, out, width);
}

void subsample2x2(const Subsample& step) {
  for (int map = 0; map < step.maps; ++map) {
    const Vec coefficient = simd::broadcast(step.layer.coefficient[map]), bias = simd::broadcast(step.layer.bias[map]);
    for (int y = 0; y < step.height; ++y) {
      const float* const upper = step.input.data + map * step.input.map_stride + 2 * y * step.input.row_stride;
      float* const out = step.output.data + map * step.output.map_stride + y * step.output.row_stride;
      subsample_rows({Activation::identity, 0}, step.layer, coefficient, bias, upper, upper + step.input.row_stride,
                     step.width, out);
    }
  }
}

}  // namespace
