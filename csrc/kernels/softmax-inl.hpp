// Scores of one group of images -> probabilities.
//
// The best score is subtracted first, so that nothing overflows, and only then comes the factor, so that however sharp
// it is the best class keeps exp(0). Infinity minus infinity would be NaN: infinite scores become the largest finite
// ones before, and classes that are infinitely good share the probability evenly. A NaN stays one.
#pragma once

namespace {

void softmax(const Softmax& s) {
  constexpr float kLargest = 3.40282347e38f;
  const Vec sign = simd::broadcast(s.sign), sharpness = simd::broadcast(s.sharpness);
  const auto goodness = [&](int k) {
    return clamp(simd::mul(sign, simd::load(s.scores + k * simd::kLanes)), kLargest);
  };

  Vec largest = s.has_rubbish ? simd::broadcast(s.rubbish) : goodness(0);
  for (int k = 0; k < s.classes; ++k) largest = simd::max(goodness(k), largest);
  const auto share = [&](Vec g) { return exp(simd::mul(sharpness, simd::sub(g, largest))); };

  Vec sum = simd::broadcast(0.0f);
  for (int k = 0; k < s.classes; ++k) {
    const Vec e = share(goodness(k));
    simd::store(s.probabilities + k * simd::kLanes, e);
    sum = simd::add(sum, e);
  }
  if (s.has_rubbish) sum = simd::add(sum, share(simd::broadcast(s.rubbish)));

  for (int k = 0; k < s.classes; ++k) {
    float* const p = s.probabilities + k * simd::kLanes;
    simd::store(p, simd::div(simd::load(p), sum));
  }
}

}  // namespace
