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
  static Vec unit(Vec v) { return v; }
};

template <class Pixel>
inline void load_pixels_of(const Pixels& source) {
  const unsigned char* image[simd::kLanes];
  for (int lane = 0; lane < simd::kLanes; ++lane) {
    const int index = lane < source.images ? lane : source.images - 1;
    image[lane] = static_cast<const unsigned char*>(source.data) + index * source.image_stride;
  }
  for (int c = 0; c < source.channels; ++c) {
    const Vec scale = simd::broadcast(source.scale[c]), shift = simd::broadcast(source.shift[c]);
    for (int y = 0; y < source.height; ++y) {
      float* const out = source.output.data + c * source.output.map_stride + y * source.output.row_stride;
      const std::ptrdiff_t row = c * source.channel_stride + y * source.row_stride;
      for (int x = 0; x < source.width; ++x) {
        alignas(kAlignment) float values[simd::kLanes];
        for (int lane = 0; lane < simd::kLanes; ++lane)
          values[lane] = Pixel::read(image[lane] + row + x * source.column_stride);
        simd::store(out + x * simd::kLanes, simd::fma(Pixel::unit(simd::load(values)), scale, shift));
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

// One image, without lanes. Pixels that lie side by side are converted a vector at a time; the last vector of a row
// overlaps the one before it, and rows that are shorter than a vector, or strided, go through a gathered copy.
template <class Pixel>
inline void load_single_vector(const unsigned char* from, std::ptrdiff_t stride, int count, Vec scale, Vec shift,
                               float* out) {
  alignas(kAlignment) float values[simd::kLanes] = {};
  if (count == simd::kLanes && stride == Pixel::kSize)
    for (int x = 0; x < simd::kLanes; ++x) values[x] = Pixel::read(from + x * Pixel::kSize);
  else
    for (int x = 0; x < count; ++x) values[x] = Pixel::read(from + x * stride);
  simd::store(values, simd::fma(Pixel::unit(simd::load(values)), scale, shift));
  if (count == simd::kLanes)
    __builtin_memcpy(out, values, sizeof values);
  else
    for (int x = 0; x < count; ++x) out[x] = values[x];
}

template <class Pixel>
inline void load_single_of(const Pixels& source) {
  for (int c = 0; c < source.channels; ++c) {
    const Vec scale = simd::broadcast(source.scale[c]), shift = simd::broadcast(source.shift[c]);
    for (int y = 0; y < source.height; ++y) {
      const unsigned char* const from =
          static_cast<const unsigned char*>(source.data) + c * source.channel_stride + y * source.row_stride;
      float* const out = source.output.data + c * source.output.map_stride + y * source.output.row_stride;
      const int last = source.width - simd::kLanes;
      for (int x = 0; x < source.width; x += simd::kLanes) {
        const int at = x <= last || last < 0 ? x : last;
        const int count = last < 0 ? source.width : simd::kLanes;
        load_single_vector<Pixel>(from + at * source.column_stride, source.column_stride, count, scale, shift,
                                  out + at);
      }
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
  for (int lane = 0; lane < simd::kLanes; ++lane)
    first[lane] = Float32Pixel::read(values + static_cast<std::size_t>(lane) % count * sizeof(float));
  Vec smallest = simd::load(first), largest = smallest;
  Vec poison = simd::mul(smallest, simd::broadcast(0.0f));  // stays NaN once a NaN or an infinity came by
  for (std::size_t start = simd::kLanes; start < count; start += simd::kLanes) {
    const std::size_t from = start + simd::kLanes <= count ? start : count - simd::kLanes;
    alignas(kAlignment) float lanes[simd::kLanes];
    __builtin_memcpy(lanes, values + from * sizeof(float), sizeof lanes);
    const Vec v = simd::load(lanes);
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
