// The plan for one image at a time: the regime of the latency kernels, where a lane is an output map or, in a first
// layer of few but wide maps, a column.
//
// It exists for the usual networks (convolutions, each with or without subsampling behind it, then dense layers;
// padding at the input only); the others are computed in the lanes of a vector whatever their number. A connection
// table wants finite values before it, because the kernels multiply what is not connected by zero: layers that keep
// them so, and finite images.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "network.hpp"
#include "weights.hpp"

namespace lenet_fast {

class SinglePlan {
 public:
  struct Step {
    std::variant<kernels::SingleConv5x5, kernels::SingleWideConv5x5, kernels::SingleDense, kernels::SingleRBF>
        kernel;                 // but for data pointers
    std::size_t layer;          // whose output this is: behind subsampling, the subsampling layer's
    std::size_t input, output;  // floats into the workspace
  };

  // How the image, with the first layer's padding, lies at the beginning of the workspace; strides in floats.
  struct Image {
    std::ptrdiff_t map_stride, row_stride;
    std::ptrdiff_t odd_columns;  // from even to odd columns, where they lie apart; else 0
    std::ptrdiff_t column(int x) const { return odd_columns == 0 ? x : x % 2 * odd_columns + x / 2; }
  };

  static std::optional<SinglePlan> make(const Network& network, std::span<const LayerWeights> weights,
                                        const kernels::Table& table);

  const Image& image() const { return image_; }
  bool wants_finite_images() const { return wants_finite_images_; }
  const std::vector<Step>& steps() const { return steps_; }
  std::size_t workspace_size() const { return workspace_; }  // floats: the image first, scratch rows last
  std::size_t rows_offset() const { return rows_; }

 private:
  // Where the values of a layer's output lie.
  struct Place {
    std::size_t offset;                        // floats into the workspace
    std::vector<int> map;                      // [maps] where each map begins, from there
    std::ptrdiff_t row_stride, column_stride;  // floats
  };

  SinglePlan(const Network& network, std::span<const LayerWeights> weights, const kernels::Table& table);
  Place add_image(const Network& network);
  bool is_wide(const Network& network) const;
  Place add_wide_conv(const Network& network, const Place& input, std::span<const LayerWeights> weights);
  Place add_conv(const Network& network, std::size_t layer, const Place& input, std::span<const LayerWeights> weights);
  Place add_dense(const Network& network, std::size_t layer, const Place& input, const LayerWeights& weights);
  std::size_t allocate(std::size_t floats);
  const kernels::Subsample2x2* add_subsample(const Subsample2x2& pool, const LayerWeights& weights, int maps,
                                             int lanes);
  // Rows of `inputs` values, one per output -> [group][inputs][lane], zeros for the lanes that no output fills.
  const float* grouped(std::span<const float> rows, int outputs, int lanes);
  int groups(int outputs) const { return (outputs + lanes_ - 1) / lanes_; }

  int lanes_;
  Image image_{};
  bool wants_finite_images_ = false;
  std::vector<Step> steps_;
  std::size_t workspace_ = 0, rows_ = 0;
  PackedArrays packed_;
};

}  // namespace lenet_fast
