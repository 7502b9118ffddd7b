// A plan: network + weights + scaling + one instruction set's kernels, made once and then only read.
//
// Weights are packed as the kernels want them, a convolution and the subsampling behind it are one step, and the place
// of every buffer is known, so running a plan takes no decision. Steps are of two kinds, by the way they meet the block
// (kernels/table.hpp): map steps, which run over one group of images after the other, and block steps, which run over
// all groups at once; map steps all come first.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "kernels/table.hpp"
#include "network.hpp"
#include "single.hpp"
#include "weights.hpp"

namespace lenet_fast {

// x = fma(pixel, scale, shift) per channel. Floats are pixels as they are; uint8 values count as v / 255 * white, and
// have no meaning where `white` is 0. `background` is the pixel value that surrounds an image smaller than the
// network's input.
struct Scaling {
  std::vector<float> scale, shift;  // [channels]
  float white, background;
};

// How far scores are to be trusted. Probabilities are a softmax of the scores times `sharpness`, one over the
// temperature; a rejecting run gives no label to an image whose two best scores differ by less than `margin`, or whose
// smallest distance (the negated score of other heads) is above `distance`.
struct Calibration {
  float sharpness = 1;
  float margin = 0;
  float distance = std::numeric_limits<float>::infinity();
};

// Where a layer's maps lie in a group's memory, in vectors of `lanes` floats, with a border of zeros for a padding.
struct Buffer {
  Shape shape;
  int padding;
  std::size_t offset, size;  // vectors of one group; the groups of a block lie side by side

  std::ptrdiff_t row() const { return shape.width + 2 * padding; }
  std::ptrdiff_t map() const { return row() * (shape.height + 2 * padding); }
  std::ptrdiff_t at(int map_index, int y, int x) const {
    return map_index * map() + (y + padding) * row() + x + padding;
  }
};

template <class... Kernels>
struct Step {
  std::variant<Kernels...> kernel;  // complete but for its data pointers
  std::size_t input, output;        // indices of buffers
};

constexpr std::size_t kFusedAway = static_cast<std::size_t>(-1);  // instead of a buffer

class Plan {
 public:
  using MapStep = Step<kernels::Conv5x5, kernels::Subsample>;
  using BlockStep = Step<kernels::Dense, kernels::RBF>;

  // With `every_layer`, convolutions that are fused with their subsampling are also computed on their own, so that
  // every layer can be read; the other layers keep their bits. Throws Error if a weight has another size than its
  // shape.
  Plan(Network network, std::span<const LayerWeights> weights, Scaling scaling, Calibration calibration,
       const kernels::Table& table, bool every_layer);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const Network& network() const { return network_; }
  const kernels::Table& table() const { return table_; }
  const Scaling& scaling() const { return scaling_; }
  const Calibration& calibration() const { return calibration_; }
  const float* scale_of(PixelType type) const {
    return (type == PixelType::uint8 ? unit_scale_ : scaling_.scale).data();
  }

  const std::vector<MapStep>& map_steps() const { return map_steps_; }
  const std::vector<BlockStep>& block_steps() const { return block_steps_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }      // the first one is the input
  const std::optional<SinglePlan>& single() const { return single_; }  // for few images, where that is possible
  const Buffer& buffer_of(std::size_t layer) const;                    // throws Error if the layer is fused away

  std::int64_t connections() const {
    return connections_;
  }  // per image, as the paper counts them: how much there is to do
  std::size_t workspace_size() const { return workspace_; }  // floats: a block's buffers, scratch rows, a single image
  std::size_t rows_offset() const { return rows_; }          // floats: where the scratch rows begin
  std::size_t single_offset() const { return single_offset_; }

 private:
  std::size_t add_buffer(Shape shape, int padding, std::int64_t values);
  std::size_t add_layer(std::size_t layer, std::size_t input, const LayerWeights& weights);
  std::size_t add_conv(std::size_t layer, std::size_t input, const LayerWeights& weights,
                       const LayerWeights* subsample);
  std::size_t add_subsample(std::size_t layer, std::size_t input, const LayerWeights& weights);
  template <class Kernel>
  std::size_t add_dense(std::size_t layer, std::size_t input, const LayerWeights& weights, Kernel kernel);

  kernels::Subsample2x2 subsample_kernel(std::size_t layer, const LayerWeights& weights);
  kernels::InputMaps input_maps(std::size_t buffer) const;
  kernels::OutputMaps output_maps(std::size_t buffer) const;
  const Network network_;
  const Scaling scaling_;
  const Calibration calibration_;
  std::vector<float> unit_scale_;  // of uint8 values, counted from 0 to 1
  const kernels::Table& table_;
  std::vector<MapStep> map_steps_;
  std::vector<BlockStep> block_steps_;
  std::vector<Buffer> buffers_;
  std::vector<std::size_t> buffer_of_layer_;
  std::int64_t connections_ = 0;
  std::size_t rows_ = 0, single_offset_ = 0, workspace_ = 0;
  PackedArrays packed_;
  std::optional<SinglePlan> single_;
};

// Bytes that a plan of this network keeps for packed weights and that a thread wants as workspace, at most: those of
// the widest vectors, so that the answer is the same on every machine. Allocates nothing.
std::int64_t memory_of(const Network& network);

}  // namespace lenet_fast
