// 5x5 valid convolution, fused with activation and subsampling; one image per lane.
//
// The micro-kernel computes a tile of one output map: 2 rows by kColumns, all its sums in registers. For each input map
// that feeds the output map and each kernel row, five weights are broadcast and stay in registers; then every input
// value of a row is loaded once and serves the up to five sums that it reaches:
//
//      input row     x0  x1  x2  x3  x4  x5  x6  x7          x4 meets w4 w3 w2 w1 of
//      sums              s0  s1  s2  s3                      s0 s1 s2 s3
//
// Going right along the row gives every sum its kernel columns in ascending order, as the chain demands. One map at a
// time means that a connection table skips exactly the kernels it lacks.
//
// Registers: 2 * kColumns sums + 5 weights + 1 input fill the register file exactly. Loads per kernel row: 5 weights
// and 2 (kColumns + 4) inputs for 10 kColumns multiply-adds, so 0.46 per multiply-add with 5 columns and 0.33 with 10,
// where two load ports and two multiply-add ports allow 1. Sums in flight: 8 at least, which covers a latency of four
// cycles on two ports. The choice not taken, several maps by 2x2 positions, loads 0.58 and cannot skip single kernels.
//
// A pair of finished rows goes to a scratch row pair in the first-level cache and from there through activation and
// subsampling, 2 x width values at a time, so that long independent loops hide the latency of divisions; the map itself
// is written once, after subsampling.
#pragma once

namespace {

constexpr int kKernel = 5;
constexpr int kWidestTile = (simd::kRegisters - kKernel - 1) / 2;  // 5 of 16 registers, 13 of 32
static_assert(2 * kWidestTile + kKernel + 1 <= simd::kRegisters);
static_assert(2 * kWidestTile >= 8, "too few sums in flight to hide the latency of a multiply-add");

struct TileRows {
  const float* input;  // top left input of the tile in map 0
  std::ptrdiff_t map_stride, row_stride;
  const int* source;
  const float* kernel;
  int connections;
  float bias;
};

// kRows x kColumns sums -> out[row][column], rows `out_stride` floats apart.
template <int kRows, int kColumns>
inline void conv_tile(const TileRows& tile, float* out, std::ptrdiff_t out_stride) {
  Vec sums[kRows][kColumns];
  for (auto& row : sums)
    for (Vec& sum : row) sum = simd::broadcast(tile.bias);

  const float* weight = tile.kernel;
  for (int i = 0; i < tile.connections; ++i) {
    const float* row = tile.input + tile.source[i] * tile.map_stride;
    for (int ky = 0; ky < kKernel; ++ky, row += tile.row_stride, weight += kKernel) {
      Vec w[kKernel];
#pragma GCC unroll 5
      for (int kx = 0; kx < kKernel; ++kx) w[kx] = simd::broadcast(weight[kx]);
#pragma GCC unroll 16
      for (int x = 0; x < kColumns + kKernel - 1; ++x) {
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
          const Vec value = simd::load(row + r * tile.row_stride + x * simd::kLanes);
#pragma GCC unroll 5
          for (int kx = kKernel - 1; kx >= 0; --kx)
            if (x - kx >= 0 && x - kx < kColumns) sums[r][x - kx] = simd::fma(value, w[kx], sums[r][x - kx]);
        }
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (int x = 0; x < kColumns; ++x) simd::store(out + r * out_stride + x * simd::kLanes, sums[r][x]);
}

// One or two whole rows of one map, in tiles as wide as fit, evenly cut: 28 columns are 10 + 9 + 9, not 13 + 13 + 2.
template <int kRows, int kColumns>
inline void conv_columns(int columns, const TileRows& tile, float* out, std::ptrdiff_t out_stride) {
  if constexpr (kColumns > 0) {
    if (columns == kColumns) return conv_tile<kRows, kColumns>(tile, out, out_stride);
    conv_columns<kRows, kColumns - 1>(columns, tile, out, out_stride);
  }
}

template <int kRows>
inline void conv_rows(TileRows tile, int width, float* out, std::ptrdiff_t out_stride) {
  for (int tiles = (width + kWidestTile - 1) / kWidestTile; tiles > 0; --tiles) {
    const int columns = (width + tiles - 1) / tiles;
    conv_columns<kRows, kWidestTile>(columns, tile, out, out_stride);
    width -= columns;
    tile.input += columns * simd::kLanes;
    out += columns * simd::kLanes;
  }
}

inline TileRows rows_of(const Conv5x5& layer, int map, int y) {
  const int first = layer.first_connection[map];
  return {layer.input.data + y * layer.input.row_stride,
          layer.input.map_stride,
          layer.input.row_stride,
          layer.source + first,
          layer.kernel + first * kKernel * kKernel,
          layer.first_connection[map + 1] - first,
          layer.bias[map]};
}

// Row pairs outside, maps inside: the six input rows of every map and all kernels stay in the first-level cache.
inline void conv5x5_subsampled(const Conv5x5& layer) {
  const std::ptrdiff_t row = layer.width * simd::kLanes;
  for (int y = 0; y + 1 < layer.height; y += 2)
    for (int map = 0; map < layer.maps; ++map) {
      conv_rows<2>(rows_of(layer, map, y), layer.width, layer.rows, row);
      float* const out = layer.output.data + map * layer.output.map_stride + y / 2 * layer.output.row_stride;
      subsample_rows(layer.activation, *layer.subsample, map, layer.rows, layer.rows + row, layer.width / 2, out);
    }
}

inline void conv5x5_alone(const Conv5x5& layer) {
  for (int y = 0; y < layer.height; y += 2)
    for (int map = 0; map < layer.maps; ++map) {
      const int rows = y + 1 < layer.height ? 2 : 1;
      const TileRows tile = rows_of(layer, map, y);
      float* const out = layer.output.data + map * layer.output.map_stride + y * layer.output.row_stride;
      if (rows == 2)
        conv_rows<2>(tile, layer.width, out, layer.output.row_stride);
      else
        conv_rows<1>(tile, layer.width, out, layer.output.row_stride);
      for (int r = 0; r < rows; ++r) activate_vectors(layer.activation, out + r * layer.output.row_stride, layer.width);
    }
}

void conv5x5(const Conv5x5& layer) {
  if (layer.subsample)
    conv5x5_subsampled(layer);
  else
    conv5x5_alone(layer);
}

}  // namespace
