// 5x5 valid convolution, fused with activation and subsampling, in both regimes.
//
// The micro-kernel computes a tile of 2 rows by kColumns outputs, all its sums in registers. Every sum goes through the
// input maps, kernel rows and kernel columns in ascending order, as the chain demands; between sums there is a choice:
//
//   32 registers, 2 x 13 sums + 5 weights + 1 input: the weights of a kernel row stay in registers, and going right
//   along an input row every value is loaded once for the up to five sums that it reaches: 0.30 loads a multiply-add.
//
//   16 registers, 2 x 5 sums: too few for that order, since neighbours in it depend on each other. So one weight at a
//   time goes through all ten sums, which covers four cycles of latency on two ports, and each multiply-add has a value
//   of its own from memory: up to 1.1 loads, where two load ports allow 1. Values that have to be broadcast are kept
//   where there is room: 0.7 loads.
//
// Where a lane is an image, a weight is one number for all lanes and a value is a vector, and the tile belongs to one
// output map, so that a connection table skips exactly the kernels it lacks. Where a lane is an output map it is the
// other way round. The choice not taken, several maps by 2x2 positions, cannot skip single kernels.
//
// A pair of finished rows goes to a scratch row pair in the first-level cache and from there through activation and
// subsampling, 2 x width values at a time, so that long independent loops hide the latency of divisions; the map itself
// is written once, after subsampling.
#pragma once

namespace {

constexpr int kKernel = 5;
constexpr int kWidestTile = (simd::kRegisters - kKernel - 1) / 2;  // 5 of 16 registers, 13 of 32
constexpr bool kWeightsStay = simd::kRegisters >= 32;
static_assert(2 * kWidestTile + kKernel + 1 <= simd::kRegisters);
static_assert(2 * kWidestTile >= 8, "too few sums in flight to hide the latency of a multiply-add");

// What a lane is decides how values and weights are read; kColumn and kWeight: floats from one to the next.
struct LanesAreImages {
  static constexpr bool kBroadcastsValues = false;
  static constexpr int kColumn = simd::kLanes, kWeight = 1;
  static Vec value(const float* p) { return simd::load(p); }
  static Vec weight(const float* p) { return simd::broadcast(*p); }
};

template <int kColumnStride>
struct LanesAreMaps {
  static constexpr bool kBroadcastsValues = true;
  static constexpr int kColumn = kColumnStride, kWeight = simd::kLanes;
  static Vec value(const float* p) { return simd::broadcast(*p); }
  static Vec weight(const float* p) { return simd::load(p); }
};

// Rows of outputs to compute: of one map, or of one group of maps.
struct OutputRows {
  const float* input;  // top left input of the tile, less the map's place
  std::ptrdiff_t row_stride;
  const int* source;    // [connections]
  const float* kernel;  // [connections][5][5]
  int connections;
  const float* bias;
  bool has_table;
};

// What one kernel row contributes to a tile's sums, in one of three orders; `row` is the input row of the upper
// outputs.

// Weights stay, values go by once.
template <class Lanes, int kRows, int kColumns>
inline void add_with_weights_kept(const float* weight, const float* row, std::ptrdiff_t row_stride,
                                  Vec (&sums)[kRows][kColumns]) {
  Vec w[kKernel];
#pragma GCC unroll 5
  for (int kx = 0; kx < kKernel; ++kx) w[kx] = Lanes::weight(weight + kx * Lanes::kWeight);
#pragma GCC unroll 17
  for (int x = 0; x < kColumns + kKernel - 1; ++x)
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const Vec value = Lanes::value(row + r * row_stride + x * Lanes::kColumn);
#pragma GCC unroll 5
      for (int kx = kKernel - 1; kx >= 0; --kx)
        if (x - kx >= 0 && x - kx < kColumns) sums[r][x - kx] = simd::fma(value, w[kx], sums[r][x - kx]);
    }
}

// One weight at a time through all sums; a value is an operand in memory.
template <class Lanes, int kRows, int kColumns>
inline void add_from_memory(const float* weight, const float* row, std::ptrdiff_t row_stride,
                            Vec (&sums)[kRows][kColumns]) {
#pragma GCC unroll 5
  for (int kx = 0; kx < kKernel; ++kx) {
    const Vec w = Lanes::weight(weight + kx * Lanes::kWeight);
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 5
      for (int x = 0; x < kColumns; ++x)
        sums[r][x] = simd::fma(Lanes::value(row + r * row_stride + (x + kx) * Lanes::kColumn), w, sums[r][x]);
  }
}

// The same where a value is broadcast, which takes a load of its own: the last two of a row are kept, since the next
// kernel column wants them for the sums to their left. 0.7 loads a multiply-add instead of 1.1.
template <class Lanes, int kRows, int kColumns>
inline void add_with_values_kept(const float* weight, const float* row, std::ptrdiff_t row_stride,
                                 Vec (&sums)[kRows][kColumns]) {
  Vec kept[kRows][2];
#pragma GCC unroll 5
  for (int kx = 0; kx < kKernel; ++kx) {
    asm("" : "+r"(row), "+r"(weight));  // no more may be kept: that would push sums out of registers
    const Vec w = Lanes::weight(weight + kx * Lanes::kWeight);
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 5
      for (int x = 0; x < kColumns; ++x) {
        const bool is_kept = kx > 0 && (x == kColumns - 3 || x == kColumns - 2);
        const Vec value =
            is_kept ? kept[r][x - (kColumns - 3)] : Lanes::value(row + r * row_stride + (x + kx) * Lanes::kColumn);
        simd::accumulate(sums[r][x], value, w);
        if (x == kColumns - 2) kept[r][0] = value;
        if (x == kColumns - 1) kept[r][1] = value;
      }
    }
  }
}

template <class Lanes, int kRows, int kColumns>
inline void add_kernel_row(const float* weight, const float* row, std::ptrdiff_t row_stride,
                           Vec (&sums)[kRows][kColumns]) {
  if constexpr (kWeightsStay)
    add_with_weights_kept<Lanes>(weight, row, row_stride, sums);
  else if constexpr (Lanes::kBroadcastsValues && kColumns >= 3)
    add_with_values_kept<Lanes>(weight, row, row_stride, sums);
  else
    add_from_memory<Lanes>(weight, row, row_stride, sums);
}

// kRows x kColumns sums -> out[row][column][lane], rows `out_stride` floats apart.
template <class Lanes, int kRows, int kColumns>
inline void conv_tile(const OutputRows& tile, float* out, std::ptrdiff_t out_stride) {
  Vec sums[kRows][kColumns];
  for (auto& row : sums)
    for (Vec& sum : row) sum = Lanes::weight(tile.bias);
  const float* weight = tile.kernel;
  for (int i = 0; i < tile.connections; ++i) {
    const float* row = tile.input + tile.source[i];
    for (int ky = 0; ky < kKernel; ++ky, row += tile.row_stride, weight += kKernel * Lanes::kWeight)
      add_kernel_row<Lanes>(weight, row, tile.row_stride, sums);
  }
  if (tile.has_table)
    for (auto& row : sums)
      for (Vec& sum : row) sum = simd::add(sum, simd::broadcast(0.0f));
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 13
    for (int x = 0; x < kColumns; ++x) simd::store(out + r * out_stride + x * simd::kLanes, sums[r][x]);
}

template <class Lanes, int kRows, int kColumns>
inline void conv_columns(int columns, const OutputRows& tile, float* out, std::ptrdiff_t out_stride) {
  if constexpr (kColumns > 0) {
    if (columns == kColumns) return conv_tile<Lanes, kRows, kColumns>(tile, out, out_stride);
    conv_columns<Lanes, kRows, kColumns - 1>(columns, tile, out, out_stride);
  }
}

// One or two whole rows, in tiles as wide as fit, evenly cut: 28 columns are 10 + 9 + 9, not 13 + 13 + 2.
template <class Lanes>
inline void conv_rows(OutputRows tile, int rows, int width, float* out, std::ptrdiff_t out_stride) {
  for (int tiles = (width + kWidestTile - 1) / kWidestTile; tiles > 0; --tiles) {
    const int columns = (width + tiles - 1) / tiles;
    if (rows == 2)
      conv_columns<Lanes, 2, kWidestTile>(columns, tile, out, out_stride);
    else
      conv_columns<Lanes, 1, kWidestTile>(columns, tile, out, out_stride);
    width -= columns;
    tile.input += columns * Lanes::kColumn;
    out += columns * simd::kLanes;
  }
}

// A pair of output rows, and the pooled row or the activated rows that it becomes. `at(map, y)` names the rows to
// compute, `to(map, y)` the place of an output row.
template <class Lanes, class Layer, class At, class To>
inline void conv_pair(const Layer& layer, int map, int y, std::ptrdiff_t out_stride, At at, To to) {
  const std::ptrdiff_t row = layer.width * simd::kLanes;
  if (const Subsample2x2* const pool = layer.subsample) {
    conv_rows<Lanes>(at(map, y), 2, layer.width, layer.rows, row);
    const Vec coefficient = Lanes::weight(pool->coefficient + map * Lanes::kWeight);
    const Vec bias = Lanes::weight(pool->bias + map * Lanes::kWeight);
    subsample_rows(layer.activation, *pool, coefficient, bias, layer.rows, layer.rows + row, layer.width / 2,
                   to(map, y / 2));
  } else {
    const int rows = y + 1 < layer.height ? 2 : 1;
    float* const out = to(map, y);
    conv_rows<Lanes>(at(map, y), rows, layer.width, out, out_stride);
    for (int r = 0; r < rows; ++r) activate_vectors(layer.activation, out + r * out_stride, layer.width);
  }
}

void conv5x5(const Conv5x5& layer) {
  const auto at = [&](int map, int y) {
    const int first = layer.first_connection[map];
    return OutputRows{layer.input.data + y * layer.input.row_stride,
                      layer.input.row_stride,
                      layer.source + first,
                      layer.kernel + first * kKernel * kKernel,
                      layer.first_connection[map + 1] - first,
                      layer.bias + map,
                      layer.has_table};
  };
  const auto to = [&](int map, int y) {
    return layer.output.data + map * layer.output.map_stride + y * layer.output.row_stride;
  };
  // The six input rows of every map and all kernels stay in the first-level cache.
  for (int y = 0; y < layer.height; y += 2)
    for (int map = 0; map < layer.maps; ++map)
      conv_pair<LanesAreImages>(layer, map, y, layer.output.row_stride, at, to);
}

template <class Lanes>
inline void single_conv5x5_of(const SingleConv5x5& layer) {
  const int shrink = layer.subsample ? 2 : 1;
  const std::ptrdiff_t row = layer.width / shrink * simd::kLanes, group = layer.height / shrink * row;
  const auto at = [&](int map, int y) {
    return OutputRows{layer.input + y * layer.input_row_stride,
                      layer.input_row_stride,
                      layer.source,
                      layer.kernel + std::ptrdiff_t{map} * layer.inputs * kKernel * kKernel * simd::kLanes,
                      layer.inputs,
                      layer.bias + map * simd::kLanes,
                      layer.has_table};
  };
  const auto to = [&](int map, int y) { return layer.output + map * group + y * row; };
  // One image's maps and the kernels of one group stay in the first-level cache, the kernels of all groups would not.
  for (int map = 0; map < layer.groups; ++map)
    for (int y = 0; y < layer.height; y += 2) conv_pair<Lanes>(layer, map, y, row, at, to);
}

void single_conv5x5(const SingleConv5x5& layer) {
  if (layer.columns_are_close)
    single_conv5x5_of<LanesAreMaps<1>>(layer);
  else
    single_conv5x5_of<LanesAreMaps<simd::kLanes>>(layer);
}

}  // namespace
