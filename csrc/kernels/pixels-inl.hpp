// Images of any strides and alignment -> maps with one image per lane, scaled on the way.
//
// uint8 is divided by 255 exactly as float division would: a product with the rounded reciprocal, then one correction
// by the remainder, which the fused multiply-add gives without error. So an image gives the same bits as uint8 and as
// float32 divided by 255 beforehand.
#pragma once

namespace {

struct Uint8Pixel {
  static constexpr int kSize = 1;
  static float read(const unsigned char* p) { return static_cast<float>(*p); }
  static Vec read_row(const unsigned char* p) { return simd::from_bytes(p); }
  static Vec unit(Vec v) {
    const Vec reciprocal = simd::broadcast(1.0f / 255);
    const Vec quotient = simd::mul(v, reciprocal);
    const Vec remainder = simd::fma(quotient, simd::broadcast(-255.0f), v);
    return simd::fma(remainder, reciprocal, quotient);
  }
};

struct Float32Pixel {
  static constexpr int kSize = 4;
  static float read(const unsigned char* p) {
    float value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
  }
  static Vec read_row(const unsigned char* p) { return simd::load_any(p); }
  static Vec unit(Vec v) { return v; }
};

// What becomes of a pixel of one channel.
template <class Pixel>
struct Scale {
  Vec scale, shift;
  Vec operator()(Vec pixels) const { return simd::fma(Pixel::unit(pixels), scale, shift); }
};

// Columns x to x + kLanes of as many images -> as many vectors.
template <class Pixel>
inline void load_square(const unsigned char* const (&image)[simd::kLanes], std::ptrdiff_t at, Scale<Pixel> scale,
                        float* out) {
  Vec square[simd::kLanes];
#pragma GCC unroll 16
  for (int lane = 0; lane < simd::kLanes; ++lane) square[lane] = Pixel::read_row(image[lane] + at);
  simd::transpose(square);
#pragma GCC unroll 16
  for (int x = 0; x < simd::kLanes; ++x) simd::store(out + x * simd::kLanes, scale(square[x]));
}

// One column of as many images as there are lanes.
template <class Pixel>
inline void load_column(const unsigned char* const (&image)[simd::kLanes], std::ptrdiff_t at, Scale<Pixel> scale,
                        float* out) {
  alignas(kAlignment) float values[simd::kLanes];
  for (int lane = 0; lane < simd::kLanes; ++lane) values[lane] = Pixel::read(image[lane] + at);
  simd::store(out, scale(simd::load(values)));
}

// Pixels that lie side by side go in squares, the last of a row overlapping the one before it; others one by one.
template <class Pixel>
inline void load_pixels_of(const Pixels& source) {
  const unsigned char* image[simd::kLanes];
  for (int lane = 0; lane < simd::kLanes; ++lane) {
    const int index = lane < source.images ? lane : source.images - 1;
    image[lane] = static_cast<const unsigned char*>(source.data) + index * source.image_stride;
  }
  const int last = source.column_stride == Pixel::kSize ? source.width - simd::kLanes : -1;
  for (int c = 0; c < source.channels; ++c) {
    const Scale<Pixel> scale{simd::broadcast(source.scale[c]), simd::broadcast(source.shift[c])};
    for (int y = 0; y < source.height; ++y) {
      float* const out = source.output.data + c * source.output.map_stride + y * source.output.row_stride;
      const std::ptrdiff_t row = c * source.channel_stride + y * source.row_stride;
      for (int x = 0; last < 0 && x < source.width; ++x)
        load_column(image, row + x * source.column_stride, scale, out + x * simd::kLanes);
      for (int x = 0; last >= 0 && x < source.width; x += simd::kLanes) {
        const int at = x <= last ? x : last;
        load_square(image, row + at * Pixel::kSize, scale, out + at * simd::kLanes);
      }
    }
  }
}

void load_pixels(const Pixels& source) {
  if (source.type == PixelType::uint8)
    load_pixels_of<Uint8Pixel>(source);
  else
    load_pixels_of<Float32Pixel>(source);
}

// One image, without lanes. Pixels that lie side by side are converted a vector at a time, the last one of a row
// overlapping the one before it; rows that are shorter, or strided, go pixel by pixel.
template <class Pixel>
inline void load_single_row(const unsigned char* from, std::ptrdiff_t stride, int width, Scale<Pixel> scale,
                            float* out) {
  const int last = stride == Pixel::kSize ? width - simd::kLanes : -1;
  for (int x = 0; last >= 0 && x < width; x += simd::kLanes) {
    const int at = x <= last ? x : last;
    simd::store_any(out + at, scale(Pixel::read_row(from + at * Pixel::kSize)));
  }
  alignas(kAlignment) float value[simd::kLanes];
  for (int x = 0; last < 0 && x < width; ++x) {
    simd::store(value, scale(simd::broadcast(Pixel::read(from + x * stride))));
    out[x] = value[0];
  }
}

// The same with even and odd columns apart; `first` is the column of the output where the row begins.
template <class Pixel>
inline void load_split_row(const unsigned char* from, std::ptrdiff_t stride, int width, Scale<Pixel> scale,
                           const Pixels& source, float* out) {
  const auto place = [&](int x) {
    const int column = source.first_column + x;
    return out + column % 2 * source.odd_columns + column / 2;
  };
  float* const to[] = {place(0), place(1)};
  constexpr int kPair = 2 * simd::kLanes;
  if (stride != Pixel::kSize || width < kPair) {
    for (int x = 0; x < 2; ++x)  // every second pixel, from x on
      load_single_row(from + x * stride, 2 * stride, (width - x + 1) / 2, scale, to[x]);
    return;
  }
  for (int x = 0; x < width; x += kPair) {
    const int at = x <= width - kPair ? x : width - kPair;
    Vec even = scale(Pixel::read_row(from + at * Pixel::kSize));
    Vec odd = scale(Pixel::read_row(from + (at + simd::kLanes) * Pixel::kSize));
    simd::split_columns(even, odd);
    simd::store_any(to[at % 2] + at / 2, even);
    simd::store_any(to[1 - at % 2] + (at + 1) / 2, odd);
  }
}

template <class Pixel>
inline void load_single_of(const Pixels& source) {
  for (int c = 0; c < source.channels; ++c) {
    const Scale<Pixel> scale{simd::broadcast(source.scale[c]), simd::broadcast(source.shift[c])};
    for (int y = 0; y < source.height; ++y) {
      const unsigned char* const from =
          static_cast<const unsigned char*>(source.data) + c * source.channel_stride + y * source.row_stride;
      float* const out = source.output.data + c * source.output.map_stride + y * source.output.row_stride;
      if (source.odd_columns == 0)
        load_single_row(from, source.column_stride, source.width, scale, out + source.first_column);
      else
        load_split_row(from, source.column_stride, source.width, scale, source, out);
    }
  }
}

void load_single(const Pixels& source) {
  if (source.type == PixelType::uint8)
    load_single_of<Uint8Pixel>(source);
  else
    load_single_of<Float32Pixel>(source);
}

// The last vector overlaps the one before it; fewer values than lanes are repeated to fill one.
PixelRange pixel_range(const void* floats, std::size_t count) {
  const auto* const values = static_cast<const unsigned char*>(floats);
  alignas(kAlignment) float first[simd::kLanes];
  for (std::size_t lane = 0; lane < simd::kLanes; ++lane)
    first[lane] = Float32Pixel::read(values + lane % count * sizeof(float));
  Vec smallest = simd::load(first), largest = smallest;
  Vec poison = simd::mul(smallest, simd::broadcast(0.0f));  // stays NaN once a NaN or an infinity came by
  for (std::size_t start = simd::kLanes; start < count; start += simd::kLanes) {
    const std::size_t from = start + simd::kLanes <= count ? start : count - simd::kLanes;
    const Vec v = simd::load_any(values + from * sizeof(float));
    smallest = simd::min(v, smallest);
    largest = simd::max(v, largest);
    poison = simd::fma(v, simd::broadcast(0.0f), poison);
  }
  alignas(kAlignment) float low[simd::kLanes], high[simd::kLanes], bad[simd::kLanes];
  simd::store(low, smallest);
  simd::store(high, largest);
  simd::store(bad, poison);
  PixelRange range{low[0], high[0], true};
  for (int lane = 0; lane < simd::kLanes; ++lane) {
    range.smallest = low[lane] < range.smallest ? low[lane] : range.smallest;
    range.largest = high[lane] > range.largest ? high[lane] : range.largest;
    range.finite = range.finite && bad[lane] == 0.0f;
  }
  return range;
}

}  // namespace
