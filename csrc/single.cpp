#include "single.hpp"

#include <algorithm>
#include <utility>

namespace lenet_fast {
namespace {

bool is_bounded(Activation activation) {
  using A = Activation;
  return activation.kind == A::scaled_tanh || activation.kind == A::tanh || activation.kind == A::sigmoid;
}

// Whether no finite image and no finite weights can make an output of this layer infinite or NaN. An activation does
// not bound what became NaN before it, as the sum of two infinities of a layer that is not bounded may.
bool is_bounded(const Network& network, std::size_t layer) {
  if (layer > 0 && !is_bounded(network, layer - 1)) return false;
  const Layer& kind = network.layers()[layer];
  if (const auto* conv = std::get_if<Conv5x5>(&kind)) return is_bounded(conv->activation);
  const auto* pool = std::get_if<Subsample2x2>(&kind);
  return pool && (pool->pooling != Pooling::trainable || is_bounded(pool->activation));
}

bool is_possible(const Network& network) {
  const auto& layers = network.layers();
  for (std::size_t layer = 0; layer < layers.size() && !network.is_dense_from(layer); ++layer) {
    const auto* conv = std::get_if<Conv5x5>(&layers[layer]);
    if (!conv || (layer > 0 && conv->padding > 0)) return false;
    if (layer > 0 && !conv->connections.empty() && !is_bounded(network, layer - 1)) return false;
    if (network.is_subsampled(layer)) ++layer;
  }
  return network.is_dense_from(layers.size() - 1);
}

// The kernels of a convolution with zeros where its table has no connection.
std::vector<float> connected(const Conv5x5& conv, int inputs, std::span<const float> weight) {
  constexpr std::ptrdiff_t kKernelSize = 25;
  if (conv.connections.empty()) return {weight.begin(), weight.end()};
  std::vector<float> result(weight.size());
  for (std::size_t map = 0; map < conv.connections.size(); ++map)
    for (const int input : conv.connections[map]) {
      const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(map) * inputs + input) * kKernelSize;
      std::copy_n(weight.begin() + at, kKernelSize, result.begin() + at);
    }
  return result;
}

}  // namespace

std::optional<SinglePlan> SinglePlan::make(const Network& network, std::span<const LayerWeights> weights,
                                           const kernels::Table& table) {
  if (table.single_at_most == 0 || !is_possible(network)) return std::nullopt;
  return SinglePlan(network, weights, table);
}

SinglePlan::SinglePlan(const Network& network, std::span<const LayerWeights> weights, const kernels::Table& table)
    : lanes_(table.lanes) {
  Place place = add_image(network);
  std::ptrdiff_t scratch = 0;
  for (std::size_t layer = 0; layer < network.layers().size(); ++layer) {
    const Shape full = network.figures()[layer].output;
    if (network.is_dense_from(layer)) {
      place = add_dense(network, layer, place, weights[layer]);
    } else if (layer == 0 && is_wide(network)) {
      place = add_wide_conv(network, place, weights);
      scratch = std::ptrdiff_t{5} * full.maps * groups(full.width / 2);
      ++layer;
    } else {
      place = add_conv(network, layer, place, weights.subspan(layer));
      scratch = std::max(scratch, std::ptrdiff_t{2} * full.width);
      if (network.is_subsampled(layer)) ++layer;
    }
  }
  rows_ = allocate(static_cast<std::size_t>(scratch * lanes_));
}

SinglePlan::Place SinglePlan::add_image(const Network& network) {
  const Shape input = network.input();
  const int border = 2 * network.padding_of(0), height = input.height + border, width = input.width + border;
  const std::ptrdiff_t half = (width + 1) / 2;
  image_ =
      is_wide(network) ? Image{2 * half * height, 2 * half, half} : Image{std::ptrdiff_t{width} * height, width, 0};
  const std::ptrdiff_t readable = image_.map_stride * input.maps + lanes_ + 2;
  Place place{allocate(static_cast<std::size_t>(readable)), {}, image_.row_stride, 1};
  for (int c = 0; c < input.maps; ++c) place.map.push_back(static_cast<int>(c * image_.map_stride));
  return place;
}

// Whether the first layer wants fewer vectors with columns in the lanes than with maps; all its maps must be connected.
bool SinglePlan::is_wide(const Network& network) const {
  const auto* const conv = std::get_if<Conv5x5>(&network.layers().front());
  if (!conv || !conv->connections.empty() || !network.is_subsampled(0)) return false;
  const Shape out = network.figures()[1].output;
  return out.maps * groups(out.width) <= groups(out.maps) * out.width;
}

SinglePlan::Place SinglePlan::add_wide_conv(const Network& network, const Place& input,
                                            std::span<const LayerWeights> weights) {
  const Shape out = network.figures()[1].output;
  const std::ptrdiff_t row = std::ptrdiff_t{groups(out.width)} * lanes_, map = out.height * row;

  kernels::SingleWideConv5x5 kernel{};
  kernel.input_map_stride = image_.map_stride;
  kernel.input_row_stride = image_.row_stride;
  kernel.odd_columns = image_.odd_columns;
  kernel.output_map_stride = map;
  kernel.output_row_stride = row;
  kernel.maps = out.maps;
  kernel.inputs = network.input().maps;
  kernel.height = out.height;
  kernel.width = out.width;
  kernel.kernel = grouped(weights[0].weight, out.maps, 1);
  kernel.bias = grouped(weights[0].bias, out.maps, 1);
  kernel.activation = std::get<Conv5x5>(network.layers()[0]).activation;
  kernel.subsample = add_subsample(std::get<Subsample2x2>(network.layers()[1]), weights[1], out.maps, 1);

  Place place{allocate(static_cast<std::size_t>(out.maps * map)), {}, row, 1};
  for (int m = 0; m < out.maps; ++m) place.map.push_back(static_cast<int>(m * map));
  steps_.push_back({kernel, 1, input.offset, place.offset});
  return place;
}

SinglePlan::Place SinglePlan::add_conv(const Network& network, std::size_t layer, const Place& input,
                                       std::span<const LayerWeights> weights) {
  const auto& conv = std::get<Conv5x5>(network.layers()[layer]);
  const Shape full = network.figures()[layer].output;
  const std::size_t last = network.is_subsampled(layer) ? layer + 1 : layer;
  const Shape out = network.figures()[last].output;
  const std::ptrdiff_t row = std::ptrdiff_t{out.width} * lanes_, group = out.height * row;

  kernels::SingleConv5x5 kernel{};
  kernel.input_row_stride = input.row_stride;
  kernel.columns_are_close = input.column_stride == 1;
  kernel.groups = groups(full.maps);
  kernel.inputs = network.input_of(layer).maps;
  kernel.height = last > layer ? 2 * out.height : full.height;
  kernel.width = last > layer ? 2 * out.width : full.width;
  kernel.source = packed_.keep(std::vector<int>(input.map));
  kernel.kernel = grouped(connected(conv, kernel.inputs, weights[0].weight), full.maps, lanes_);
  kernel.bias = grouped(weights[0].bias, full.maps, lanes_);
  kernel.has_table = !conv.connections.empty();
  wants_finite_images_ = wants_finite_images_ || kernel.has_table;
  kernel.activation = conv.activation;
  if (last > layer)
    kernel.subsample = add_subsample(std::get<Subsample2x2>(network.layers()[last]), weights[1], full.maps, lanes_);

  Place place{allocate(static_cast<std::size_t>(kernel.groups * group)), {}, row, lanes_};
  for (int m = 0; m < full.maps; ++m) place.map.push_back(static_cast<int>(m / lanes_ * group + m % lanes_));
  steps_.push_back({kernel, last, input.offset, place.offset});
  return place;
}

SinglePlan::Place SinglePlan::add_dense(const Network& network, std::size_t layer, const Place& input,
                                        const LayerWeights& weights) {
  const Shape in = network.input_of(layer), out = network.figures()[layer].output;
  std::vector<int> source;
  for (const int map : input.map)
    for (int y = 0; y < in.height; ++y)
      for (int x = 0; x < in.width; ++x)
        source.push_back(static_cast<int>(map + y * input.row_stride + x * input.column_stride));

  Place place{allocate(static_cast<std::size_t>(groups(out.maps) * lanes_)), {}, 0, 0};
  for (int unit = 0; unit < out.maps; ++unit) place.map.push_back(unit);
  const int* const sources = packed_.keep(std::move(source));
  const auto inputs = static_cast<int>(in.size());
  const float* const weight = grouped(weights.weight, out.maps, lanes_);
  const Layer& kind = network.layers()[layer];
  if (std::holds_alternative<RBF>(kind)) {
    steps_.push_back({kernels::SingleRBF{nullptr, sources, nullptr, inputs, groups(out.maps), weight}, layer,
                      input.offset, place.offset});
  } else {
    const auto* conv = std::get_if<Conv5x5>(&kind);
    const Activation activation = conv ? conv->activation : std::get<Dense>(kind).activation;
    const float* const bias = grouped(weights.bias, out.maps, lanes_);
    steps_.push_back(
        {kernels::SingleDense{nullptr, sources, nullptr, inputs, groups(out.maps), weight, bias, activation}, layer,
         input.offset, place.offset});
  }
  return place;
}

std::size_t SinglePlan::allocate(std::size_t floats) {
  constexpr std::size_t kLine = kAlignment / sizeof(float);
  const std::size_t offset = workspace_;
  workspace_ += (floats + kLine - 1) / kLine * kLine;
  return offset;
}

const float* SinglePlan::grouped(std::span<const float> rows, int outputs, int lanes) {
  const auto width = static_cast<std::size_t>(lanes), count = static_cast<std::size_t>(outputs);
  const std::size_t inputs = rows.size() / count;
  float* const packed = packed_.zeros((count + width - 1) / width * inputs * width);
  for (std::size_t m = 0; m < count; ++m)
    for (std::size_t j = 0; j < inputs; ++j)
      packed[(m / width * inputs + j) * width + m % width] = rows[m * inputs + j];
  return packed;
}

const kernels::Subsample2x2* SinglePlan::add_subsample(const Subsample2x2& pool, const LayerWeights& weights, int maps,
                                                       int lanes) {
  const auto count = static_cast<std::size_t>(maps);
  const std::vector<float> quarters(count, 0.25f), zeros(count);
  const bool trainable = pool.pooling == Pooling::trainable;
  return packed_.keep(std::vector{
      kernels::Subsample2x2{pool.pooling, pool.activation,
                            grouped(trainable ? weights.weight : std::span<const float>(quarters), maps, lanes),
                            grouped(trainable ? weights.bias : std::span<const float>(zeros), maps, lanes)}});
}

}  // namespace lenet_fast
