// The LeNet family as plain data: a sequence of layers over (maps, height, width), its shapes inferred and checked
// once, when the network is made. Python's dataclasses in network.py say the same words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/table.hpp"

namespace lenet_fast {

struct Shape {
  int maps, height, width;
  std::int64_t size() const { return std::int64_t{maps} * height * width; }
  bool operator==(const Shape&) const = default;
};

// Valid 5x5 convolution (cross-correlation) over the input with `padding` zeros on every side.
struct Conv5x5 {
  int maps;
  Activation activation;
  int padding;                                // 0 to 4
  std::vector<std::vector<int>> connections;  // per output map, the input maps that feed it; empty: all feed all
};

// 2x2 windows with stride 2; an odd last row or column is left out.
struct Subsample2x2 {
  Pooling pooling;
  Activation activation;
};

struct Dense {
  int units;
  Activation activation;
};

// Squared distances to one code per class (equation 7 of the paper).
struct RBF {
  int classes;
};

using Layer = std::variant<Conv5x5, Subsample2x2, Dense, RBF>;

enum class Head { rbf, softmax, scores };

// Throws Error for a name that there is not, or a slope that does not go with it.
Activation activation_named(std::string_view name, float slope);
Pooling pooling_named(std::string_view name);
Head head_named(std::string_view name);

// A tensor that the layers of a network are made of.
struct Parameter {
  std::string name;  // "C1.weight"
  std::vector<std::int64_t> shape;
  std::int64_t count() const;
};

// What the paper's tables say of a layer.
struct LayerFigures {
  std::string name;  // "C1", "S2", ..., "output" for RBF
  Shape output;
  std::int64_t trainable, fixed, connections, multiply_adds;
  std::vector<Parameter> parameters;
};

class Network {
 public:
  // Throws Error if the layers do not fit the input or each other.
  Network(Shape input, std::vector<Layer> layers, Head head);

  const Shape& input() const { return input_; }
  const std::vector<Layer>& layers() const { return layers_; }
  Head head() const { return head_; }
  const std::vector<LayerFigures>& figures() const { return figures_; }  // one per layer
  const Shape& output() const { return figures_.back().output; }
  Shape input_of(std::size_t layer) const { return layer == 0 ? input_ : figures_[layer - 1].output; }

  // Whether a layer is a convolution with subsampling right behind it: engines compute the two as one.
  bool is_subsampled(std::size_t layer) const;
  // Whether this layer and all behind it can be computed as dense ones. A convolution whose output is one value per map
  // is a dense layer over (map, row, column), in the same order of summation.
  bool is_dense_from(std::size_t layer) const;
  // Padding of a layer's input: 0 unless the layer is a convolution, or behind the last one.
  int padding_of(std::size_t layer) const;

 private:
  Shape input_;
  std::vector<Layer> layers_;
  Head head_;
  std::vector<LayerFigures> figures_;
};

}  // namespace lenet_fast
