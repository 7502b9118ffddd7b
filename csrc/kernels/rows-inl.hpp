// The way out: values with one image per lane -> one row of values per image, in squares of as many values as lanes;
// the last square overlaps the one before it, and fewer values than that go one by one.
#pragma once

namespace {

inline void store_square(const Rows& rows, std::ptrdiff_t at) {
  Vec square[simd::kLanes];
#pragma GCC unroll 16
  for (int x = 0; x < simd::kLanes; ++x) square[x] = simd::load(rows.data + (at + x) * simd::kLanes);
  simd::transpose(square);
#pragma GCC unroll 16
  for (int lane = 0; lane < simd::kLanes; ++lane)
    if (lane < rows.images) simd::store_any(rows.output + lane * rows.image_stride + at, square[lane]);
}

void store_rows(const Rows& rows) {
  const std::ptrdiff_t last = rows.count - simd::kLanes;
  for (std::ptrdiff_t x = 0; last >= 0 && x < rows.count; x += simd::kLanes) store_square(rows, x <= last ? x : last);
  for (std::ptrdiff_t x = 0; last < 0 && x < rows.count; ++x)
    for (int lane = 0; lane < rows.images; ++lane)
      rows.output[lane * rows.image_stride + x] = rows.data[x * simd::kLanes + lane];
}

}  // namespace
