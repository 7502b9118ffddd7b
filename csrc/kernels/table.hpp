// The contract between the engine and the kernels: one table of functions per instruction set.
//
// Two regimes. With many images, a lane is an image. Feature maps of `lanes` images lie as
//
//     [map][row][column][lane]      float32, every [lane] group aligned to kAlignment
//
// so a layer is scalar code over vectors: no edge is wasted, whatever its size, and a connection table skips whole
// kernels. A block is one to kBlockVectors such groups; convolutions run over one group after the other, because one
// group's maps fill the first-level cache; dense layers run over all groups of a block at once, because each weight
// they load then serves every group.
//
// With few images, a lane is an output map, so that one image fills the vectors. The structures of this regime begin
// with `Single`; maps lie as
//
//     [group][row][column][lane]    the maps of a group of `lanes`, those beyond the last one zero-weighted
//
// and the next layer reads single values of them, from wherever they lie.
//
// Duties. The plan packs weights as described at each structure and sizes every buffer; the caller owns all memory and
// passes valid, non-overlapping pointers; a kernel allocates nothing, checks nothing and cannot fail.
//
// Arithmetic. Every output is one chain of fused multiply-adds in the order in which its structure names the operands,
// so its bits depend neither on the instruction set nor on the regime, lane, tile or block in which it is computed.
//
// This header is also included by the objects compiled for one instruction set: it holds plain data only, since an
// inline function compiled there could be the copy that the linker keeps for every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lenet_fast {

inline constexpr std::size_t kAlignment = 64;               // bytes: one cache line, the widest vector
inline constexpr int kMostLanes = 16, kMostDenseTile = 12;  // of any instruction set; kernels.cpp holds them to it
inline constexpr int kBlockVectors = 2;                     // groups of `lanes` images in a block

// What happens to each value; every kind rises with its argument.
struct Activation {
  enum Kind : int { identity, scaled_tanh, tanh, sigmoid, relu, leaky_relu };
  Kind kind;
  float slope;  // of leaky_relu below zero, 0 to 1; 0 for the others
};
enum class Pooling : int { trainable, average, max };
enum class PixelType : int { uint8, float32 };

namespace kernels {

// Maps of one group of images; strides in floats.
struct InputMaps {
  const float* data;  // [map][row][column][lane]
  std::ptrdiff_t map_stride, row_stride;
};

struct OutputMaps {
  float* data;  // [map][row][column][lane]
  std::ptrdiff_t map_stride, row_stride;
};

// 2x2 windows, stride 2: out = activation(bias + coefficient * ((a + b) + (c + d))), where a b are the upper pair, or
// the maximum. Averaging is a coefficient of 1/4 and a bias of 0.
struct Subsample2x2 {
  Pooling pooling;
  Activation activation;
  const float* coefficient;  // [maps]; unused by max
  const float* bias;         // [maps]; unused by max
};

// 5x5 valid convolution (cross-correlation), activation and, where `subsample` is given, subsampling.
// Chain: bias; then for each connection of the map in order, kernel row, kernel column; then + 0 where there is a
// connection table, because the other regime adds products with zero for the kernels that do not exist, which changes
// nothing of a finite sum but the sign of a zero.
struct Conv5x5 {
  InputMaps input;              // rows and columns 4 larger than height and width
  OutputMaps output;            // [maps][height][width], or half of both behind subsampling
  int maps, height, width;      // of the convolution itself; even where it is subsampled
  const int* first_connection;  // [maps + 1] index into the next two
  const int* source;            // [connections] where the input map begins, in floats
  const float* kernel;          // [connections][5][5]
  const float* bias;            // [maps]
  bool has_table;
  Activation activation;
  const Subsample2x2* subsample;  // null: none
  float* rows;                    // [2][width][lane] scratch
};

// The same for one image; all kernels of a map are there, with zeros for those that a connection table leaves out.
struct SingleConv5x5 {
  const float* input;
  std::ptrdiff_t input_row_stride;  // floats
  bool columns_are_close;           // columns of the input lie 1 apart, in maps [row][column]; else `lanes` apart
  float* output;                    // [group][height][width][lane], or half of both behind subsampling
  int groups, inputs, height, width;
  const int* source;    // [inputs] where the input map begins, in floats
  const float* kernel;  // [group][inputs][5][5][lane]
  const float* bias;    // [group][lane]
  bool has_table;
  Activation activation;
  const Subsample2x2* subsample;  // null: none; its coefficient and bias: [group][lane]
  float* rows;                    // [2][width][lane] scratch
};

// The same for a first layer of few but wide maps: a lane is a column of the subsampled map.
struct SingleWideConv5x5 {
  const float* input;  // [inputs][row][even columns, then odd columns], a vector and 2 floats readable behind them
  std::ptrdiff_t input_map_stride, input_row_stride, odd_columns;  // floats; from even to odd columns
  float* output;  // [maps][height][width]; a row is written in whole vectors
  std::ptrdiff_t output_map_stride, output_row_stride;
  int maps, inputs, height, width;  // of the subsampled maps
  const float* kernel;              // [maps][inputs][5][5]
  const float* bias;                // [maps]
  Activation activation;
  const Subsample2x2* subsample;
  float* rows;  // [maps][2][vectors][2][lane] and [maps][vectors][lane] scratch
};

// Subsampling on its own: behind another subsampling, or first.
struct Subsample {
  InputMaps input;          // [maps][2 * height][2 * width] at least
  OutputMaps output;        // [maps][height][width]
  int maps, height, width;  // of the output
  Subsample2x2 layer;
};

// Full connection over a block. Chain: bias; then inputs ascending.
struct Dense {
  const float* input;                          // [vector][inputs][lane]
  float* output;                               // [vector][outputs][lane]
  std::ptrdiff_t input_stride, output_stride;  // floats from one vector to the next
  int vectors;                                 // 1 to kBlockVectors
  int inputs, outputs;                         // outputs: a multiple of the table's dense_tile
  const float* weight;                         // [outputs / dense_tile][inputs][dense_tile]
  const float* bias;                           // [outputs]
  Activation activation;
};

// Squared Euclidean distances over a block. Chain: zero; then inputs ascending, fma(d, d, sum) with d = x - w.
struct RBF {
  const float* input;
  float* output;
  std::ptrdiff_t input_stride, output_stride;
  int vectors;
  int inputs, outputs;
  const float* weight;  // packed like Dense
};

// Full connection of one image, in the order of Dense.
struct SingleDense {
  const float* input;
  const int* source;  // [inputs] where each value lies
  float* output;      // [groups][lane]
  int inputs, groups;
  const float* weight;  // [group][inputs][lane]
  const float* bias;    // [group][lane]
  Activation activation;
};

// Squared Euclidean distances of one image, in the order of RBF.
struct SingleRBF {
  const float* input;
  const int* source;
  float* output;
  int inputs, groups;
  const float* weight;  // packed like SingleDense
};

// probability_i = e_i / sum_k e_k with e_k = exp(sharpness * (g_k - m)), g the goodness of a class (its score, or its
// distance negated; what is infinite counts as the largest finite number) and m the largest g, k ascending; the rubbish
// class, where there is one, joins m and comes last in the sum.
struct Softmax {
  const float* scores;   // [classes][lane]; may be `probabilities` itself
  float* probabilities;  // [classes][lane]
  int classes;
  float sign;       // -1 for distances, 1 for scores
  float sharpness;  // above zero, finite
  bool has_rubbish;
  float rubbish;  // its g
};

// Pixels of one group of images -> maps: fma(unit, scale, shift), where unit is value / 255 for uint8 and the value
// itself for float32. Lanes beyond `images` repeat the last image; for a single image there are no lanes in the output,
// and its columns, the image's first one being `first_column`, may lie apart: even ones, then odd ones.
struct Pixels {
  const void* data;
  PixelType type;
  std::ptrdiff_t image_stride, channel_stride, row_stride, column_stride;  // bytes; values may be misaligned
  int images;                                                              // 1 to lanes
  int channels, height, width;
  const float* scale;  // [channels]
  const float* shift;  // [channels]
  OutputMaps output;
  int first_column;            // load_single: of the output
  std::ptrdiff_t odd_columns;  // load_single: from even to odd columns, in floats; 0: side by side
};

// Values of one group of images -> one row per image.
struct Rows {
  const float* data;            // [count][lane]
  std::ptrdiff_t count;         // values per image
  int images;                   // 1 to lanes
  float* output;                // [images][count]
  std::ptrdiff_t image_stride;  // floats from one row to the next
};

// What a row of float pixels holds; `finite` is false if any is NaN or infinite (then the other two mean nothing).
struct PixelRange {
  float smallest, largest;
  bool finite;
};

struct Table {
  const char* name;    // what LENET_FAST_ISA calls it
  int lanes;           // floats per vector
  int dense_tile;      // outputs that one pass of the dense kernels computes
  int single_at_most;  // this many images are computed faster one by one than in the lanes of a vector
  void (*load_pixels)(const Pixels&);
  void (*conv5x5)(const Conv5x5&);
  void (*subsample2x2)(const Subsample&);
  void (*dense)(const Dense&);
  void (*rbf)(const RBF&);
  void (*load_single)(const Pixels&);
  void (*single_conv5x5)(const SingleConv5x5&);
  void (*single_wide_conv5x5)(const SingleWideConv5x5&);
  void (*single_dense)(const SingleDense&);
  void (*single_rbf)(const SingleRBF&);
  void (*softmax)(const Softmax&);
  void (*store_rows)(const Rows&);
  void (*activate)(Activation, const float* in, float* out,
                   std::size_t count);                               // any count and alignment; in == out allowed
  PixelRange (*pixel_range)(const void* floats, std::size_t count);  // count >= 1; any alignment
  // For measuring: returns how many multiply-adds `rounds` rounds of independent chains are; `sink` keeps them alive.
  std::int64_t (*multiply_adds)(std::int64_t rounds, float* sink);
  // The same for loads: returns how many floats `rounds` rounds over `values`, aligned to kAlignment, have read.
  std::int64_t (*loads)(const float* values, std::size_t count, std::int64_t rounds, float* sink);
};

}  // namespace kernels
}  // namespace lenet_fast
