#include "network.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "error.hpp"

namespace lenet_fast {
namespace {

constexpr int kKernel = 5;
constexpr int kLargestSide = 4096;             // of an input image
constexpr int kMostMaps = 65536;               // of any layer
constexpr std::int64_t kMostValues = 1 << 24;  // of any layer's output: 64 MiB of float32

template <class Enum, std::size_t N>
Enum named(std::string_view what, std::string_view name, const std::array<std::pair<std::string_view, Enum>, N>& all) {
  std::string known;
  for (const auto& [spelling, value] : all) {
    if (spelling == name) return value;
    known += (known.empty() ? "'" : ", '") + std::string(spelling) + "'";
  }
  throw Error(std::string(what) + ": wanted one of " + known + ", found '" + std::string(name) + "'");
}

std::string to_string(const Shape& s) {
  return "(" + std::to_string(s.maps) + ", " + std::to_string(s.height) + ", " + std::to_string(s.width) + ")";
}

void require(bool good, const std::string& layer, const std::string& sentence) {
  if (!good) throw Error(layer + ": " + sentence);
}

void check_range(const std::string& layer, const char* field, int value, int smallest, int largest) {
  require(value >= smallest && value <= largest, layer,
          std::string(field) + " wanted between " + std::to_string(smallest) + " and " + std::to_string(largest) +
              ", found " + std::to_string(value));
}

void check_connections(const std::string& layer, const Conv5x5& conv, int inputs) {
  if (conv.connections.empty()) return;
  require(conv.connections.size() == static_cast<std::size_t>(conv.maps), layer,
          "connections wanted one row per map (" + std::to_string(conv.maps) + "), found " +
              std::to_string(conv.connections.size()));
  for (std::size_t map = 0; map < conv.connections.size(); ++map) {
    const std::vector<int>& row = conv.connections[map];
    const bool ascending = std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) == row.end();
    require(!row.empty() && ascending && row.front() >= 0 && row.back() < inputs, layer,
            "connections of map " + std::to_string(map) + " wanted ascending, different input maps from 0 to " +
                std::to_string(inputs - 1));
  }
}

std::int64_t connection_count(const Conv5x5& conv, int inputs) {
  std::int64_t count = 0;
  for (const auto& row : conv.connections) count += static_cast<std::int64_t>(row.size());
  return conv.connections.empty() ? std::int64_t{conv.maps} * inputs : count;
}

// One overload per layer: shape, names and counts, or the sentence that says why it does not fit.
struct Inference {
  Shape in;
  int number;  // of the layer, from 1, as the paper counts
  bool flat;   // behind a Dense or RBF layer

  std::string numbered(char letter) const { return std::string(1, letter).append(std::to_string(number)); }

  LayerFigures operator()(const Conv5x5& conv) const {
    const std::string name = numbered('C');
    require(!flat, name, "a convolution cannot follow a dense layer; dense layers come last");
    check_range(name, "maps", conv.maps, 1, kMostMaps);
    check_range(name, "padding", conv.padding, 0, kKernel - 1);
    check_connections(name, conv, in.maps);
    const Shape out{conv.maps, in.height + 2 * conv.padding - kKernel + 1, in.width + 2 * conv.padding - kKernel + 1};
    require(out.height > 0 && out.width > 0, name,
            "a 5x5 kernel wants at least 5x5 values, found maps of " + std::to_string(in.height) + "x" +
                std::to_string(in.width) + " with padding " + std::to_string(conv.padding));
    const std::int64_t kernels = connection_count(conv, in.maps), weights = kernels * kKernel * kKernel;
    const std::int64_t positions = std::int64_t{out.height} * out.width;
    return {name,
            out,
            weights + conv.maps,
            0,
            (weights + conv.maps) * positions,
            weights * positions,
            {{name + ".weight", {conv.maps, in.maps, kKernel, kKernel}}, {name + ".bias", {conv.maps}}}};
  }

  LayerFigures operator()(const Subsample2x2& pool) const {
    const std::string name = numbered('S');
    require(!flat, name, "subsampling cannot follow a dense layer; dense layers come last");
    require(in.height >= 2 && in.width >= 2, name,
            "a 2x2 window wants at least 2x2 values, found maps of " + std::to_string(in.height) + "x" +
                std::to_string(in.width));
    const Shape out{in.maps, in.height / 2, in.width / 2};
    const bool trainable = pool.pooling == Pooling::trainable;
    LayerFigures figures{name, out, trainable ? 2 * in.maps : 0, 0, out.size() * (trainable ? 5 : 4), 0, {}};
    if (trainable) figures.parameters = {{name + ".coefficient", {in.maps}}, {name + ".bias", {in.maps}}};
    return figures;
  }

  LayerFigures operator()(const Dense& dense) const {
    const std::string name = numbered('F');
    check_range(name, "units", dense.units, 1, kMostMaps);
    const std::int64_t weights = in.size() * dense.units;
    return {name,
            {dense.units, 1, 1},
            weights + dense.units,
            0,
            weights + dense.units,
            weights,
            {{name + ".weight", {dense.units, in.size()}}, {name + ".bias", {dense.units}}}};
  }

  LayerFigures operator()(const RBF& rbf) const {
    const std::string name = "output";
    check_range(name, "classes", rbf.classes, 1, kMostMaps);
    const std::int64_t codes = in.size() * rbf.classes;
    return {name, {rbf.classes, 1, 1}, 0, codes, codes, codes, {{name + ".weight", {rbf.classes, in.size()}}}};
  }
};

void check_head(Head head, const std::vector<Layer>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (std::holds_alternative<RBF>(layers[i]) && (i + 1 < layers.size() || head != Head::rbf))
      throw Error("RBF: wanted as the last layer of a network with head 'rbf', found it elsewhere");
  if (head == Head::rbf && !std::holds_alternative<RBF>(layers.back()))
    throw Error("head: 'rbf' wants an RBF layer last; use 'softmax' or 'scores' for a network that ends in Dense");
}

}  // namespace

Activation activation_named(std::string_view name, float slope) {
  using A = Activation;
  const A::Kind kind = named<A::Kind, 6>("activation", name,
                                         {{{"identity", A::identity},
                                           {"scaled_tanh", A::scaled_tanh},
                                           {"tanh", A::tanh},
                                           {"sigmoid", A::sigmoid},
                                           {"relu", A::relu},
                                           {"leaky_relu", A::leaky_relu}}});
  const float steepest = kind == A::leaky_relu ? 1.0f : 0.0f;  // negative ones do not rise, steeper ones are no maximum
  if (!(slope >= 0 && slope <= steepest))
    throw Error("slope: wanted a number from 0 to 1 with 'leaky_relu', and 0 with others, found " +
                std::to_string(slope) + " with '" + std::string(name) + "'");
  return {kind, slope};
}

Pooling pooling_named(std::string_view name) {
  using P = Pooling;
  return named<P, 3>("pooling", name, {{{"trainable", P::trainable}, {"average", P::average}, {"max", P::max}}});
}

Head head_named(std::string_view name) {
  return named<Head, 3>("head", name, {{{"rbf", Head::rbf}, {"softmax", Head::softmax}, {"scores", Head::scores}}});
}

std::int64_t Parameter::count() const {
  std::int64_t product = 1;
  for (const std::int64_t n : shape) product *= n;
  return product;
}

Network::Network(Shape input, std::vector<Layer> layers, Head head)
    : input_(input), layers_(std::move(layers)), head_(head) {
  if (input.maps < 1 || input.height < 1 || input.width < 1 || input.maps > kMostMaps || input.height > kLargestSide ||
      input.width > kLargestSide || input.size() > kMostValues)
    throw Error("input: wanted (channels, height, width) from 1 to " + std::to_string(kLargestSide) +
                " pixels a side, found " + to_string(input));
  if (layers_.empty()) throw Error("layers: wanted at least one, found none");
  Shape shape = input;
  bool flat = false;
  for (const Layer& layer : layers_) {
    figures_.push_back(std::visit(Inference{shape, static_cast<int>(figures_.size()) + 1, flat}, layer));
    shape = figures_.back().output;
    require(shape.size() <= kMostValues, figures_.back().name,
            "wanted at most " + std::to_string(kMostValues) + " output values, found " + to_string(shape));
    flat = flat || std::holds_alternative<Dense>(layer) || std::holds_alternative<RBF>(layer);
  }
  check_head(head_, layers_);
}

bool Network::is_subsampled(std::size_t layer) const {
  return layer + 1 < layers_.size() && std::holds_alternative<Conv5x5>(layers_[layer]) &&
         std::holds_alternative<Subsample2x2>(layers_[layer + 1]);
}

bool Network::is_dense_from(std::size_t layer) const {
  const auto is_dense = [&](std::size_t i) {
    const auto* conv = std::get_if<Conv5x5>(&layers_[i]);
    if (!conv) return !std::holds_alternative<Subsample2x2>(layers_[i]);
    const Shape in = input_of(i);
    return in.height == kKernel && in.width == kKernel && conv->padding == 0 && conv->connections.empty();
  };
  for (std::size_t i = layer; i < layers_.size(); ++i)
    if (!is_dense(i)) return false;
  return true;
}

int Network::padding_of(std::size_t layer) const {
  const auto* conv = layer < layers_.size() ? std::get_if<Conv5x5>(&layers_[layer]) : nullptr;
  return conv ? conv->padding : 0;
}

}  // namespace lenet_fast
