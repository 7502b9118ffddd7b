// The denominator of every speed: as many independent chains of multiply-adds as there are registers for, and nothing
// else. Two ports with a latency of four cycles want 8 chains; 12 of 16 registers and 24 of 32 leave the compiler room.
#pragma once

namespace {

std::int64_t multiply_adds(std::int64_t rounds, float* sink) {
  constexpr int kChains = simd::kRegisters * 3 / 4;
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

}  // namespace
