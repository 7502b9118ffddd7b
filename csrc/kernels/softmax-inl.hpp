// Scores of one group of images -> probabilities, the largest logit subtracted first so that nothing overflows.
#pragma once

namespace {

void softmax(const Softmax& s) {
  const Vec factor = simd::broadcast(s.factor);
  const auto logit = [&](int k) { return simd::mul(factor, simd::load(s.scores + k * simd::kLanes)); };

  Vec largest = s.has_rubbish ? simd::broadcast(s.rubbish) : logit(0);
  for (int k = 0; k < s.classes; ++k) largest = simd::max(logit(k), largest);

  Vec sum = simd::broadcast(0.0f);
  for (int k = 0; k < s.classes; ++k) {
    const Vec e = exp(simd::sub(logit(k), largest));
    simd::store(s.probabilities + k * simd::kLanes, e);
    sum = simd::add(sum, e);
  }
  if (s.has_rubbish) sum = simd::add(sum, exp(simd::sub(simd::broadcast(s.rubbish), largest)));

  for (int k = 0; k < s.classes; ++k) {
    float* const p = s.probabilities + k * simd::kLanes;
    simd::store(p, simd::div(simd::load(p), sum));
  }
}

}  // namespace
