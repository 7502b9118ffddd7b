// Memory that kernels can use (aligned floats) and images that they can read (any strides).
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "kernels/table.hpp"

namespace lenet_fast {

// Floats aligned to kAlignment, not initialised; movable, not copyable.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : data_(static_cast<float*>(::operator new(size * sizeof(float), std::align_val_t{kAlignment}))), size_(size) {}

  float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<float, Free> data_;
  std::size_t size_ = 0;
};

// A batch of images that someone else owns; strides in bytes, of any sign, values at any alignment.
struct ImageView {
  const void* data;
  PixelType type;
  std::ptrdiff_t images;
  int channels, height, width;
  std::ptrdiff_t image_stride, channel_stride, row_stride, column_stride;

  const void* image(std::ptrdiff_t i) const { return static_cast<const char*>(data) + i * image_stride; }
};

}  // namespace lenet_fast
