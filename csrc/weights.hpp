// Weights as they come, and the arrays into which plans pack them.
#pragma once

#include <algorithm>
#include <deque>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/table.hpp"
#include "tensor.hpp"

namespace lenet_fast {

// The weights of one layer, in the shapes that Network::figures names: weight or coefficient, then bias.
struct LayerWeights {
  std::span<const float> weight, bias;
};

// Arrays that live as long as their plan and never move; floats are aligned for the kernels.
class PackedArrays {
 public:
  template <class Value>
  const Value* keep(std::vector<Value> values) {
    return std::get<std::vector<Value>>(arrays_.emplace_back(std::move(values))).data();
  }

  const float* keep(std::span<const float> values) {
    float* const kept = zeros(values.size());
    std::copy(values.begin(), values.end(), kept);
    return kept;
  }

  // For whoever packs in place.
  float* zeros(std::size_t count) {
    const auto& buffer = std::get<AlignedBuffer>(arrays_.emplace_back(AlignedBuffer(count)));
    std::fill_n(buffer.data(), count, 0.0f);
    return buffer.data();
  }

 private:
  std::deque<std::variant<AlignedBuffer, std::vector<int>, std::vector<kernels::Subsample2x2>>> arrays_;
};

}  // namespace lenet_fast
