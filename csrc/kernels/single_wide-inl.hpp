// 5x5 convolution of one image with subsampling behind it, where a lane is a column of the subsampled map.
//
// A first layer has few maps and wide ones. With six maps of 28 columns, vectors of a row and lanes of them that work:
//
//                        8 lanes              16 lanes
//   lanes are maps       28, 6 of 8           28, 6 of 16
//   lanes are columns    6 x 2 x 2, 14 of 16  6 x 2, 14 of 16
//
// Even and odd columns of the image lie apart, so that neighbouring lanes are two columns apart: column 2 j + k is at
// j + k / 2 of the even ones or, for an odd k, of the odd ones. A window's four values are the same lane of four sums.
// The last vector of a row overlaps the one before it, so no lane reads past a row that is as wide as a vector; and
// rows of 16 columns of one kind fill a cache line, which no load then crosses.
//
// A tile is 3 maps x 2 rows x 2 columns = 12 sums; 3 weights and a value make it 16 registers. 7 loads serve 12
// multiply-adds.
#pragma once

namespace {

constexpr int kWideMaps = simd::kRegisters >= 32 ? 6 : 3;
static_assert(kWideMaps * 4 >= 8, "too few sums in flight to hide the latency of a multiply-add");
static_assert(kWideMaps * 5 + 1 <= simd::kRegisters);

inline int wide_vectors(const SingleWideConv5x5& layer) { return (layer.width + simd::kLanes - 1) / simd::kLanes; }

// The column where a vector of a row begins.
inline int wide_column(int width, int vector) {
  const int column = vector * simd::kLanes, last = width - simd::kLanes;
  return column <= last || last < 0 ? column : last;
}

// Sums of kMaps maps -> out[map][row][vector][even, odd][lane]; `input` and `out` are those of the first map's vector.
template <int kMaps>
inline void wide_tile(const SingleWideConv5x5& layer, int map, const float* input, float* out, std::ptrdiff_t out_row) {
  const std::ptrdiff_t weights = std::ptrdiff_t{layer.inputs} * kKernel * kKernel;
  Vec sums[kMaps][2][2];
#pragma GCC unroll 6
  for (int m = 0; m < kMaps; ++m)
    for (auto& row : sums[m])
      for (Vec& sum : row) sum = simd::broadcast(layer.bias[map + m]);
  const float* weight = layer.kernel + map * weights;
  for (int i = 0; i < layer.inputs; ++i, input += layer.input_map_stride) {
    const float* row = input;
    for (int ky = 0; ky < kKernel; ++ky, row += layer.input_row_stride, weight += kKernel)
#pragma GCC unroll 5
      for (int kx = 0; kx < kKernel; ++kx) {
        asm("" : "+r"(row));  // load anew: values kept from one kx to the next would push sums out of registers
#pragma GCC unroll 2
        for (int r = 0; r < 2; ++r)
#pragma GCC unroll 2
          for (int odd = 0; odd < 2; ++odd) {
            const int k = odd + kx;
            const Vec value = simd::load_any(row + r * layer.input_row_stride + k % 2 * layer.odd_columns + k / 2);
#pragma GCC unroll 6
            for (int m = 0; m < kMaps; ++m)
              simd::accumulate(sums[m][r][odd], simd::broadcast(weight[m * weights + kx]), value);
          }
      }
  }
#pragma GCC unroll 6
  for (int m = 0; m < kMaps; ++m)
#pragma GCC unroll 2
    for (int r = 0; r < 2; ++r)
#pragma GCC unroll 2
      for (int odd = 0; odd < 2; ++odd) simd::store(out + (2 * m + r) * out_row + odd * simd::kLanes, sums[m][r][odd]);
}

template <int kMaps>
inline void wide_maps(int maps, const SingleWideConv5x5& layer, int map, const float* input, float* out,
                      std::ptrdiff_t out_row) {
  if constexpr (kMaps > 0) {
    if (maps == kMaps) return wide_tile<kMaps>(layer, map, input, out, out_row);
    wide_maps<kMaps - 1>(maps, layer, map, input, out, out_row);
  }
}

// The sums of all maps for one row of the subsampled maps -> rows[map][row][vector][even, odd][lane].
inline void wide_sums(const SingleWideConv5x5& layer, const float* input) {
  const int vectors = wide_vectors(layer);
  const std::ptrdiff_t row = 2 * vectors * simd::kLanes;
  for (int map = 0; map < layer.maps; map += kWideMaps) {
    const int maps = layer.maps - map < kWideMaps ? layer.maps - map : kWideMaps;
    for (int v = 0; v < vectors; ++v)
      wide_maps<kWideMaps>(maps, layer, map, input + wide_column(layer.width, v),
                           layer.rows + 2 * map * row + 2 * v * simd::kLanes, row);
  }
}

// rows[map][row][vector][even, odd][lane] -> finished[map][vector][lane].
inline void wide_windows(const SingleWideConv5x5& layer, float* finished) {
  const int vectors = wide_vectors(layer);
  const std::ptrdiff_t row = 2 * vectors * simd::kLanes;
  with_activation(layer.activation, [=](auto type) {
    for (int map = 0; map < layer.maps; ++map) {
      const float* const upper = layer.rows + 2 * map * row;
      windows(type, layer.subsample->pooling, simd::broadcast(layer.subsample->coefficient[map]),
              simd::broadcast(layer.subsample->bias[map]), upper, upper + row, vectors, finished + map * row / 2);
    }
  });
  activate_vectors(layer.subsample->activation, finished, layer.maps * vectors);
}

void single_wide_conv5x5(const SingleWideConv5x5& layer) {
  const int vectors = wide_vectors(layer);
  float* const finished = layer.rows + 4 * layer.maps * vectors * simd::kLanes;
  for (int y = 0; y < layer.height; ++y) {
    wide_sums(layer, layer.input + 2 * y * layer.input_row_stride);
    wide_windows(layer, finished);
    const float* from = finished;
    for (int map = 0; map < layer.maps; ++map) {
      float* const row = layer.output + map * layer.output_map_stride + y * layer.output_row_stride;
      for (int v = 0; v < vectors; ++v, from += simd::kLanes)
        simd::store_any(row + wide_column(layer.width, v), simd::load(from));
    }
  }
}

}  // namespace
