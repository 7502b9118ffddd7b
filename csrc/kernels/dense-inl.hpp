// Full connection and RBF distances over a block of images; both are a matrix times a batch with a step of their own.
//
// The micro-kernel computes kDenseTile outputs for all groups of the block at once. For each input it loads one vector
// per group and broadcasts kDenseTile weights that lie side by side, so each weight serves every group and each input
// value every output of the tile: 6 x 2 sums + 2 inputs + 1 weight = 15 of 16 registers, 12 x 2 + 2 + 1 = 27 of 32;
// loads per multiply-add 8 / 12 and 14 / 24, where two load ports and two multiply-add ports allow 1.
#pragma once

namespace {

constexpr int kDenseTile = simd::kRegisters == 32 ? 12 : 6;
static_assert(kDenseTile * kBlockVectors + kBlockVectors + 1 <= simd::kRegisters);

struct MultiplyAdd {
  static Vec step(Vec x, Vec w, Vec sum) { return simd::fma(x, w, sum); }
};

struct SquaredDistance {
  static Vec step(Vec x, Vec w, Vec sum) {
    const Vec d = simd::sub(x, w);
    return simd::fma(d, d, sum);
  }
};

// `bias` may be null: then the sums start at zero.
template <class Operation, int kVectors>
inline void dense_tile(const float* input, std::ptrdiff_t input_stride, int inputs, const float* weight,
                       const float* bias, float* output, std::ptrdiff_t output_stride) {
  Vec sums[kDenseTile][kVectors];
  for (int m = 0; m < kDenseTile; ++m)
    for (Vec& sum : sums[m]) sum = simd::broadcast(bias ? bias[m] : 0.0f);

  for (int j = 0; j < inputs; ++j, input += simd::kLanes, weight += kDenseTile) {
    Vec x[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) x[v] = simd::load(input + v * input_stride);
#pragma GCC unroll 12
    for (int m = 0; m < kDenseTile; ++m) {
      const Vec w = simd::broadcast(weight[m]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[m][v] = Operation::step(x[v], w, sums[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < kDenseTile; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) simd::store(output + v * output_stride + m * simd::kLanes, sums[m][v]);
}

template <class Operation, int kVectors, class Layer>
inline void dense_layer(const Layer& layer, const float* bias) {
  for (int m = 0; m < layer.outputs; m += kDenseTile)
    dense_tile<Operation, kVectors>(layer.input, layer.input_stride, layer.inputs,
                                    layer.weight + static_cast<std::ptrdiff_t>(m) * layer.inputs,
                                    bias ? bias + m : nullptr, layer.output + m * simd::kLanes, layer.output_stride);
}

template <class Operation, class Layer>
inline void over_block(const Layer& layer, const float* bias) {
  static_assert(kBlockVectors == 2, "a larger block needs a case of its own");
  if (layer.vectors == 2)
    dense_layer<Operation, 2>(layer, bias);
  else
    dense_layer<Operation, 1>(layer, bias);
}

void dense(const Dense& layer) {
  over_block<MultiplyAdd>(layer, layer.bias);
  for (int v = 0; v < layer.vectors; ++v)
    activate_vectors(layer.activation, layer.output + v * layer.output_stride, layer.outputs);
}

void rbf(const RBF& layer) { over_block<SquaredDistance>(layer, nullptr); }

// One image: a lane is an output. Up to kMostGroups groups of outputs at a time share each broadcast input; as many
// chains are in flight. Weights are read once, from wherever they lie, so this is bound by the cache that holds them.
constexpr int kMostGroups = simd::kRegisters == 32 ? 16 : 12;

template <class Operation, int kGroups, class Layer>
inline void single_tile(const Layer& layer, int first, const float* bias) {
  const std::ptrdiff_t group = std::ptrdiff_t{layer.inputs} * simd::kLanes;
  const float* weight = layer.weight + first * group;
  Vec sums[kGroups];
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g)
    sums[g] = bias ? simd::load(bias + (first + g) * simd::kLanes) : simd::broadcast(0.0f);
  for (int j = 0; j < layer.inputs; ++j, weight += simd::kLanes) {
    const Vec x = simd::broadcast(layer.input[layer.source[j]]);
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) sums[g] = Operation::step(x, simd::load(weight + g * group), sums[g]);
  }
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) simd::store(layer.output + (first + g) * simd::kLanes, sums[g]);
}

template <class Operation, int kGroups, class Layer>
inline void single_groups(int groups, const Layer& layer, int first, const float* bias) {
  if constexpr (kGroups > 0) {
    if (groups == kGroups) return single_tile<Operation, kGroups>(layer, first, bias);
    single_groups<Operation, kGroups - 1>(groups, layer, first, bias);
  }
}

template <class Operation, class Layer>
inline void single_layer(const Layer& layer, const float* bias) {
  int left = layer.groups;
  for (int tiles = (left + kMostGroups - 1) / kMostGroups; tiles > 0; --tiles) {
    const int groups = (left + tiles - 1) / tiles;
    single_groups<Operation, kMostGroups>(groups, layer, layer.groups - left, bias);
    left -= groups;
  }
}

void single_dense(const SingleDense& layer) {
  single_layer<MultiplyAdd>(layer, layer.bias);
  activate_vectors(layer.activation, layer.output, layer.groups);
}

void single_rbf(const SingleRBF& layer) { single_layer<SquaredDistance>(layer, nullptr); }

}  // namespace
