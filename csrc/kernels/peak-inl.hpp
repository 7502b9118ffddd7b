// The denominators of every speed: multiply-adds and nothing else, and loads with an addition each, which is all that
// keeps them from being left out. Both in as many independent chains as there are registers for: two ports with a
// latency of four cycles want 8; 12 of 16 registers and 24 of 32 leave the compiler room.
#pragma once

namespace {

constexpr int kChains = simd::kRegisters * 3 / 4;

std::int64_t multiply_adds(std::int64_t rounds, float* sink) {
  Vec sums[kChains];
  for (int k = 0; k < kChains; ++k) sums[k] = simd::broadcast(static_cast<float>(k));
  const Vec factor = simd::broadcast(0.999f), term = simd::broadcast(sink[0]);
  for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 24
    for (int k = 0; k < kChains; ++k) sums[k] = simd::fma(sums[k], factor, term);
  alignas(kAlignment) float lanes[simd::kLanes];
  for (int k = 0; k < kChains; ++k) {
    simd::store(lanes, sums[k]);
    sink[0] += lanes[0];
  }
  return rounds * kChains * simd::kLanes;
}

std::int64_t loads(const float* values, std::size_t count, std::int64_t rounds, float* sink) {
  constexpr std::size_t kStep = kChains * simd::kLanes;
  Vec sums[kChains];
  for (int k = 0; k < kChains; ++k) sums[k] = simd::broadcast(sink[0]);
  for (std::int64_t i = 0; i < rounds; ++i)
    for (const float *p = values, *end = values + count / kStep * kStep; p != end; p += kStep)
#pragma GCC unroll 24
      for (int k = 0; k < kChains; ++k) sums[k] = simd::add(sums[k], simd::load(p + k * simd::kLanes));
  alignas(kAlignment) float lanes[simd::kLanes];
  for (int k = 0; k < kChains; ++k) {
    simd::store(lanes, sums[k]);
    sink[0] += lanes[0];
  }
  return rounds * static_cast<std::int64_t>(count / kStep * kStep);
}

}  // namespace
