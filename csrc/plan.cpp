#include "plan.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "error.hpp"

namespace lenet_fast {
namespace {

constexpr int kKernelSize = 25;

// A whole number of cache lines.
std::size_t round_up(std::size_t floats) {
  constexpr std::size_t kLine = kAlignment / sizeof(float);
  return (floats + kLine - 1) / kLine * kLine;
}

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

void check_size(const LayerFigures& layer, std::size_t index, std::span<const float> values) {
  const Parameter* const wanted = index < layer.parameters.size() ? &layer.parameters[index] : nullptr;
  const std::size_t count = wanted ? static_cast<std::size_t>(wanted->count()) : 0;
  if (values.size() != count)
    throw Error((wanted ? wanted->name : layer.name) + ": wanted " + std::to_string(count) + " values, found " +
                std::to_string(values.size()));
}

// The connections of a convolution, map by map: where each map's begin, and which input map each comes from.
struct Connections {
  std::vector<int> first{0}, source;
};

Connections connections_of(const Conv5x5& conv, int inputs) {
  Connections all;
  for (int map = 0; map < conv.maps; ++map) {
    if (conv.connections.empty())
      for (int input = 0; input < inputs; ++input) all.source.push_back(input);
    else
      for (const int input : conv.connections[static_cast<std::size_t>(map)]) all.source.push_back(input);
    all.first.push_back(static_cast<int>(all.source.size()));
  }
  return all;
}

// The 25 weights of every connection, one after the other.
const float* kernels_of(const Connections& all, int inputs, std::span<const float> weight, PackedArrays& packed) {
  float* const kernels = packed.zeros(all.source.size() * kKernelSize);
  for (std::size_t map = 0; map + 1 < all.first.size(); ++map)
    for (int c = all.first[map]; c < all.first[map + 1]; ++c) {
      const std::ptrdiff_t source = all.source[static_cast<std::size_t>(c)];
      std::copy_n(weight.begin() + (static_cast<std::ptrdiff_t>(map) * inputs + source) * kKernelSize, kKernelSize,
                  kernels + std::ptrdiff_t{c} * kKernelSize);
    }
  return kernels;
}

// Rows of outputs -> [outputs / tile][inputs][tile], with zeros for the outputs that fill up the last tile.
const float* tiled(std::span<const float> weight, int outputs, std::int64_t inputs, int tile, PackedArrays& packed) {
  float* const tiles = packed.zeros(static_cast<std::size_t>(round_up(outputs, tile) * inputs));
  for (int m = 0; m < outputs; ++m)
    for (std::int64_t j = 0; j < inputs; ++j)
      tiles[(m / tile * inputs + j) * tile + m % tile] = weight[static_cast<std::size_t>(m * inputs + j)];
  return tiles;
}

// Floats that the weights of a layer take: once as they are, for the lanes, and once in whole vectors, for one image.
std::int64_t packed_floats(const LayerFigures& layer) {
  std::int64_t floats = 0;
  for (const Parameter& parameter : layer.parameters) {
    const std::int64_t outputs = parameter.shape.front(), each = parameter.count() / outputs;
    floats +=
        each * (round_up(static_cast<int>(outputs), kMostDenseTile) + round_up(static_cast<int>(outputs), kMostLanes));
  }
  return floats;
}

// Floats of a layer's output for one image: maps with a border, or whole tiles of units.
std::int64_t output_floats(const Shape& shape, int padding) {
  const std::int64_t row = shape.width + 2 * padding, map = row * (shape.height + 2 * padding);
  return std::max<std::int64_t>(shape.maps * map, round_up(shape.maps, kMostDenseTile));
}

}  // namespace

std::int64_t memory_of(const Network& network) {
  const auto& figures = network.figures();
  std::int64_t packed = 0, lanes = output_floats(network.input(), network.padding_of(0)), rows = 0;
  std::int64_t single = 2 * lanes + kMostLanes;  // columns may lie apart, even and odd ones, and vectors reach beyond
  for (std::size_t layer = 0; layer < figures.size(); ++layer) {
    const Shape in = network.input_of(layer), out = figures[layer].output;
    packed += packed_floats(figures[layer]) + in.size();  // and where each input lies
    rows = std::max({rows, std::int64_t{2} * (in.width + 2 * network.padding_of(layer)) * kMostLanes,
                     std::int64_t{5} * out.maps * (out.width + kMostLanes)});
    if (network.is_subsampled(layer)) continue;  // computed in registers
    lanes += output_floats(out, network.padding_of(layer + 1));
    single += std::int64_t{round_up(out.maps, kMostLanes)} * out.height * round_up(out.width, kMostLanes);
  }
  return static_cast<std::int64_t>(sizeof(float)) * (packed + lanes * kMostLanes * kBlockVectors + single + 2 * rows);
}

Plan::Plan(Network network, std::span<const LayerWeights> weights, Scaling scaling, Calibration calibration,
           const kernels::Table& table, bool every_layer)
    : network_(std::move(network)), scaling_(std::move(scaling)), calibration_(calibration), table_(table) {
  const auto& figures = network_.figures();
  const auto channels = static_cast<std::size_t>(network_.input().maps);
  for (const float scale : scaling_.scale) unit_scale_.push_back(scale * scaling_.white);
  if (scaling_.scale.size() != channels || scaling_.shift.size() != channels)
    throw Error("scale and shift: wanted one value per channel (" + std::to_string(channels) + ")");
  if (weights.size() != figures.size())
    throw Error("weights: wanted " + std::to_string(figures.size()) + " layers, found " +
                std::to_string(weights.size()));
  for (std::size_t i = 0; i < figures.size(); ++i) {
    check_size(figures[i], 0, weights[i].weight);
    check_size(figures[i], 1, weights[i].bias);
    connections_ += figures[i].connections;
  }

  buffer_of_layer_.assign(figures.size(), kFusedAway);
  std::size_t buffer = add_buffer(network_.input(), network_.padding_of(0), network_.input().size());
  for (std::size_t layer = 0; layer < figures.size(); ++layer) {
    if (network_.is_subsampled(layer)) {
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
  single_ = SinglePlan::make(network_, weights, table_);
  single_offset_ = workspace_ = round_up(workspace_);
  if (single_) workspace_ += single_->workspace_size();
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
    if (!network_.is_dense_from(layer)) return add_conv(layer, input, weights, nullptr);
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
  const std::size_t output = add_buffer(out, network_.padding_of(last + 1), out.size());

  const int inputs = network_.input_of(layer).maps;
  Connections connections = connections_of(conv, inputs);
  kernels::Conv5x5 kernel{};
  kernel.input = input_maps(input);
  kernel.output = output_maps(output);
  kernel.maps = full.maps;
  kernel.height = subsample ? 2 * out.height : full.height;
  kernel.width = subsample ? 2 * out.width : full.width;
  kernel.kernel = kernels_of(connections, inputs, weights.weight, packed_);
  // Where each source begins is known here: the kernel adds, it does not multiply.
  for (int& source : connections.source) source *= static_cast<int>(kernel.input.map_stride);
  kernel.first_connection = packed_.keep(std::move(connections.first));
  kernel.source = packed_.keep(std::move(connections.source));
  kernel.bias = packed_.keep(weights.bias);
  kernel.has_table = !conv.connections.empty();
  kernel.activation = conv.activation;
  if (subsample) kernel.subsample = packed_.keep(std::vector{subsample_kernel(last, *subsample)});
  map_steps_.push_back({kernel, input, output});
  return output;
}

std::size_t Plan::add_subsample(std::size_t layer, std::size_t input, const LayerWeights& weights) {
  const Shape out = network_.figures()[layer].output;
  const std::size_t output = add_buffer(out, network_.padding_of(layer + 1), out.size());
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
  kernel.weight = tiled(weights.weight, out.maps, inputs, table_.dense_tile, packed_);
  if constexpr (requires { kernel.bias; }) {
    float* const bias = packed_.zeros(static_cast<std::size_t>(outputs));
    std::copy(weights.bias.begin(), weights.bias.end(), bias);
    kernel.bias = bias;
  }
  block_steps_.push_back({kernel, input, output});
  return output;
}

kernels::Subsample2x2 Plan::subsample_kernel(std::size_t layer, const LayerWeights& weights) {
  const auto& pool = std::get<Subsample2x2>(network_.layers()[layer]);
  const bool trainable = pool.pooling == Pooling::trainable;
  const auto maps = static_cast<std::size_t>(network_.figures()[layer].output.maps);
  const std::vector<float> quarters(maps, 0.25f), zeros(maps);
  return {pool.pooling, pool.activation, packed_.keep(trainable ? weights.weight : std::span<const float>(quarters)),
          packed_.keep(trainable ? weights.bias : std::span<const float>(zeros))};
}

kernels::InputMaps Plan::input_maps(std::size_t buffer) const {
  return {nullptr, buffers_[buffer].map() * table_.lanes, buffers_[buffer].row() * table_.lanes};
}

kernels::OutputMaps Plan::output_maps(std::size_t buffer) const {
  return {nullptr, buffers_[buffer].map() * table_.lanes, buffers_[buffer].row() * table_.lanes};
}

}  // namespace lenet_fast
