#include "plan.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "error.hpp"

namespace lenet_fast {
namespace {

constexpr int kKernelSize = 25;

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

void check_size(const LayerFigures& layer, std::size_t index, std::span<const float> values) {
  const Parameter* const wanted = index < layer.parameters.size() ? &layer.parameters[index] : nullptr;
  const std::size_t count = wanted ? static_cast<std::size_t>(wanted->count()) : 0;
  if (values.size() != count)
    throw Error((wanted ? wanted->name : layer.name) + ": wanted " + std::to_string(count) + " values, found " +
                std::to_string(values.size()));
}

// The connections of a convolution, one after the other: which input map, and its 25 weights.
struct Connections {
  std::vector<int> first{0}, source;
  std::vector<float> kernel;
};

Connections connections_of(const Conv5x5& conv, int inputs, std::span<const float> weight) {
  Connections all;
  for (int map = 0; map < conv.maps; ++map) {
    const auto connect = [&](int input) {
      const auto from = weight.begin() + (std::ptrdiff_t{map} * inputs + input) * kKernelSize;
      all.source.push_back(input);
      all.kernel.insert(all.kernel.end(), from, from + kKernelSize);
    };
    if (conv.connections.empty())
      for (int input = 0; input < inputs; ++input) connect(input);
    else
      for (const int input : conv.connections[static_cast<std::size_t>(map)]) connect(input);
    all.first.push_back(static_cast<int>(all.source.size()));
  }
  return all;
}

// Rows of outputs -> [outputs / tile][inputs][tile], with zeros for the outputs that fill up the last tile.
std::vector<float> tiled(std::span<const float> weight, int outputs, std::int64_t inputs, int tile) {
  std::vector<float> packed(static_cast<std::size_t>(round_up(outputs, tile) * inputs));
  for (int m = 0; m < outputs; ++m)
    for (std::int64_t j = 0; j < inputs; ++j)
      packed[static_cast<std::size_t>((m / tile * inputs + j) * tile + m % tile)] =
          weight[static_cast<std::size_t>(m * inputs + j)];
  return packed;
}

}  // namespace

Plan::Plan(Network network, std::span<const LayerWeights> weights, Scaling scaling, const kernels::Table& table,
           bool every_layer)
    : network_(std::move(network)), scaling_(std::move(scaling)), table_(table) {
  const auto& figures = network_.figures();
  const auto channels = static_cast<std::size_t>(network_.input().maps);
  if (scaling_.scale.size() != channels || scaling_.shift.size() != channels)
    throw Error("scale and shift: wanted one value per channel (" + std::to_string(channels) + ")");
  if (weights.size() != figures.size())
    throw Error("weights: wanted " + std::to_string(figures.size()) + " layers, found " +
                std::to_string(weights.size()));
  for (std::size_t i = 0; i < figures.size(); ++i) {
    check_size(figures[i], 0, weights[i].weight);
    check_size(figures[i], 1, weights[i].bias);
  }

  buffer_of_layer_.assign(figures.size(), kFusedAway);
  std::size_t buffer = add_buffer(network_.input(), padding_of(0), network_.input().size());
  for (std::size_t layer = 0; layer < figures.size(); ++layer) {
    if (subsampled(layer)) {
      if (every_layer) buffer_of_layer_[layer] = add_conv(layer, buffer, weights[layer], nullptr);
      buffer = add_conv(layer, buffer, weights[layer], &weights[layer + 1]);
      ++layer;
    } else {
      buffer = add_layer(layer, buffer, weights[layer]);
    }
    buffer_of_layer_[layer] = buffer;
  }

  const auto lanes = static_cast<std::size_t>(table_.lanes);
  const Buffer& last = buffers_.back();
  rows_ = (last.offset + last.size) * lanes * kBlockVectors;
  std::size_t widest = 0;
  for (const Buffer& b : buffers_) widest = std::max(widest, static_cast<std::size_t>(b.row()));
  workspace_ = rows_ + 2 * widest * lanes;
}

const Buffer& Plan::buffer_of(std::size_t layer) const {
  const std::size_t index = buffer_of_layer_.at(layer);
  if (index == kFusedAway)
    throw Error(network_.figures()[layer].name + ": this plan computes it only inside the next layer");
  return buffers_[index];
}

std::size_t Plan::add_buffer(Shape shape, int padding, std::int64_t values) {
  Buffer buffer{shape, padding, 0, 0};
  buffer.size = static_cast<std::size_t>(std::max<std::int64_t>(values, shape.maps * buffer.map()));
  if (!buffers_.empty()) buffer.offset = buffers_.back().offset + buffers_.back().size;
  buffers_.push_back(buffer);
  return buffers_.size() - 1;
}

// Each of the following adds one step and returns the buffer that it writes.

std::size_t Plan::add_layer(std::size_t layer, std::size_t input, const LayerWeights& weights) {
  const Layer& kind = network_.layers()[layer];
  kernels::Dense dense{};
  if (const auto* conv = std::get_if<Conv5x5>(&kind)) {
    if (!dense_from(layer)) return add_conv(layer, input, weights, nullptr);
    dense.activation = conv->activation;
  } else if (const auto* full = std::get_if<Dense>(&kind)) {
    dense.activation = full->activation;
  } else if (std::holds_alternative<Subsample2x2>(kind)) {
    return add_subsample(layer, input, weights);
  } else {
    return add_dense(layer, input, weights, kernels::RBF{});
  }
  return add_dense(layer, input, weights, dense);
}

std::size_t Plan::add_conv(std::size_t layer, std::size_t input, const LayerWeights& weights,
                           const LayerWeights* subsample) {
  const auto& conv = std::get<Conv5x5>(network_.layers()[layer]);
  const Shape full = network_.figures()[layer].output;
  const std::size_t last = subsample ? layer + 1 : layer;
  const Shape out = network_.figures()[last].output;
  const std::size_t output = add_buffer(out, padding_of(last + 1), out.size());

  Connections connections = connections_of(conv, network_.input_of(layer).maps, weights.weight);
  kernels::Conv5x5 kernel{};
  kernel.input = input_maps(input);
  kernel.output = output_maps(output);
  kernel.maps = full.maps;
  kernel.height = subsample ? 2 * out.height : full.height;
  kernel.width = subsample ? 2 * out.width : full.width;
  kernel.first_connection = keep(std::move(connections.first));
  kernel.source = keep(std::move(connections.source));
  kernel.kernel = keep(std::move(connections.kernel));
  kernel.bias = keep(std::vector<float>(weights.bias.begin(), weights.bias.end()));
  kernel.activation = conv.activation;
  if (subsample) kernel.subsample = keep(std::vector{subsample_kernel(last, *subsample)});
  map_steps_.push_back({kernel, input, output});
  return output;
}

std::size_t Plan::add_subsample(std::size_t layer, std::size_t input, const LayerWeights& weights) {
  const Shape out = network_.figures()[layer].output;
  const std::size_t output = add_buffer(out, padding_of(layer + 1), out.size());
  const kernels::Subsample kernel{input_maps(input), output_maps(output), out.maps,
                                  out.height,        out.width,           subsample_kernel(layer, weights)};
  map_steps_.push_back({kernel, input, output});
  return output;
}

template <class Kernel>
std::size_t Plan::add_dense(std::size_t layer, std::size_t input, const LayerWeights& weights, Kernel kernel) {
  const Shape out = network_.figures()[layer].output;
  const std::int64_t inputs = network_.input_of(layer).size();
  const int outputs = round_up(out.maps, table_.dense_tile);
  const std::size_t output = add_buffer(out, 0, outputs);

  kernel.input_stride = static_cast<std::ptrdiff_t>(buffers_[input].size) * table_.lanes;
  kernel.output_stride = static_cast<std::ptrdiff_t>(buffers_[output].size) * table_.lanes;
  kernel.inputs = static_cast<int>(inputs);
  kernel.outputs = outputs;
  kernel.weight = keep(tiled(weights.weight, out.maps, inputs, table_.dense_tile));
  if constexpr (requires { kernel.bias; }) {
    std::vector<float> bias(weights.bias.begin(), weights.bias.end());
    bias.resize(static_cast<std::size_t>(outputs));
    kernel.bias = keep(std::move(bias));
  }
  block_steps_.push_back({kernel, input, output});
  return output;
}

kernels::Subsample2x2 Plan::subsample_kernel(std::size_t layer, const LayerWeights& weights) {
  const auto& pool = std::get<Subsample2x2>(network_.layers()[layer]);
  const auto maps = static_cast<std::size_t>(network_.figures()[layer].output.maps);
  kernels::Subsample2x2 kernel{pool.pooling, pool.activation, nullptr, nullptr};
  const bool trainable = pool.pooling == Pooling::trainable;
  kernel.coefficient = keep(trainable ? std::vector<float>(weights.weight.begin(), weights.weight.end())
                                      : std::vector<float>(maps, 0.25f));
  kernel.bias =
      keep(trainable ? std::vector<float>(weights.bias.begin(), weights.bias.end()) : std::vector<float>(maps));
  return kernel;
}

kernels::InputMaps Plan::input_maps(std::size_t buffer) const {
  return {nullptr, buffers_[buffer].map() * table_.lanes, buffers_[buffer].row() * table_.lanes};
}

kernels::OutputMaps Plan::output_maps(std::size_t buffer) const {
  return {nullptr, buffers_[buffer].map() * table_.lanes, buffers_[buffer].row() * table_.lanes};
}

// A convolution whose output is one value per map is a dense layer over (map, row, column), in the same order of
// summation; it may be computed as one if only dense layers follow, because block steps come last.
bool Plan::dense_from(std::size_t layer) const {
  const auto is_dense = [&](std::size_t i) {
    const auto* conv = std::get_if<Conv5x5>(&network_.layers()[i]);
    if (!conv) return !std::holds_alternative<Subsample2x2>(network_.layers()[i]);
    const Shape in = network_.input_of(i);
    return in.height == 5 && in.width == 5 && conv->padding == 0 && conv->connections.empty();
  };
  for (std::size_t i = layer; i < network_.layers().size(); ++i)
    if (!is_dense(i)) return false;
  return true;
}

// Whether this layer is a convolution with subsampling right behind it: the two are one step.
bool Plan::subsampled(std::size_t layer) const {
  const auto& layers = network_.layers();
  return layer + 1 < layers.size() && std::holds_alternative<Conv5x5>(layers[layer]) &&
         std::holds_alternative<Subsample2x2>(layers[layer + 1]);
}

int Plan::padding_of(std::size_t layer) const {
  if (layer >= network_.layers().size()) return 0;
  const auto* conv = std::get_if<Conv5x5>(&network_.layers()[layer]);
  return conv ? conv->padding : 0;
}

template <class Value>
const Value* Plan::keep(std::vector<Value> values) {
  return std::get<std::vector<Value>>(packed_.emplace_back(std::move(values))).data();
}

}  // namespace lenet_fast
