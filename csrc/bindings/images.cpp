#include "images.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include "../cpu.hpp"
#include "../error.hpp"
#include "outside.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

using Npy = py::detail::npy_api;

constexpr std::ptrdiff_t kClose = sizeof(float);

std::optional<PixelType> pixel_type(const py::array& array) {
  const py::dtype dtype = array.dtype();
  if (dtype.num() == Npy::NPY_UBYTE_) return PixelType::uint8;
  const auto is_native = [&] { return dtype.byteorder() == '=' || dtype.attr("isnative").cast<bool>(); };
  if (dtype.num() == Npy::NPY_FLOAT_ && is_native()) return PixelType::float32;
  return std::nullopt;
}

// Channels, rows and columns are counted in ints, beyond which no network goes: a larger number must not become one
// that fits.
bool has_countable_axes(const py::array& images) {
  constexpr py::ssize_t kMost = std::numeric_limits<int>::max();
  for (py::ssize_t axis = 1; axis < images.ndim(); ++axis)
    if (images.shape(axis) > kMost) return false;
  return images.ndim() != 2 || images.shape(0) <= kMost;
}

kernels::PixelRange joined(const std::optional<kernels::PixelRange>& a, const kernels::PixelRange& b) {
  return a ? kernels::PixelRange{std::min(a->smallest, b.smallest), std::max(a->largest, b.largest),
                                 a->finite && b.finite}
           : b;
}

// Of `count` values that lie `stride` bytes apart.
kernels::PixelRange range_of_values(const kernels::Table& table, const char* from, std::ptrdiff_t stride,
                                    std::size_t count) {
  if (stride == kClose) return table.pixel_range(from, count);
  std::array<float, 256> close;
  std::optional<kernels::PixelRange> range;
  for (std::size_t done = 0; done < count; done += close.size()) {
    const std::size_t here = std::min(close.size(), count - done);
    for (std::size_t i = 0; i < here; ++i, from += stride) std::memcpy(&close[i], from, sizeof(float));
    range = joined(range, table.pixel_range(close.data(), here));
  }
  return *range;
}

// Rows and channels that follow each other without a gap are looked at in one go.
kernels::PixelRange range_of_image(const ImageView& images, std::ptrdiff_t i, const kernels::Table& table) {
  const auto width = static_cast<std::size_t>(images.width), height = static_cast<std::size_t>(images.height);
  const std::ptrdiff_t row = images.width * images.column_stride, map = images.height * row;
  const bool maps_join = images.column_stride == kClose && images.row_stride == row &&
                         (images.channels == 1 || images.channel_stride == map);
  const std::size_t joint = maps_join ? width * height * static_cast<std::size_t>(images.channels) : width;
  std::optional<kernels::PixelRange> range;
  for (int c = 0; c < (maps_join ? 1 : images.channels); ++c)
    for (int y = 0; y < (maps_join ? 1 : images.height); ++y) {
      const char* const from =
          static_cast<const char*>(images.image(i)) + c * images.channel_stride + y * images.row_stride;
      range = joined(range, range_of_values(table, from, images.column_stride, joint));
    }
  return *range;
}

py::tuple pixel_range(const py::array& array, float white) {
  const ImageView images = view_of(array);
  if (images.type != PixelType::float32 || array.size() == 0) throw Error("images: wanted float32, at least one");
  const kernels::PixelRange range = range_of(images, cpu::chosen());
  return py::make_tuple(range.smallest, range.largest, range.finite, is_usual(range, white));
}

}  // namespace

// As many images in one go as are some microseconds of work.
kernels::PixelRange range_of(const ImageView& images, const kernels::Table& table) {
  constexpr std::ptrdiff_t kPiece = 16384;
  const std::ptrdiff_t size = std::ptrdiff_t{images.channels} * images.height * images.width;
  const std::ptrdiff_t at_once = std::max<std::ptrdiff_t>(1, kPiece / size);
  std::optional<kernels::PixelRange> range;
  compute([&](Interrupt& interrupt) {
    for (std::ptrdiff_t i = 0; i < images.images; ++i) {
      if (i > 0 && i % at_once == 0 && interrupt.is_wanted()) return false;
      range = joined(range, range_of_image(images, i, table));
    }
    return true;
  });
  return *range;
}

bool is_usual(const kernels::PixelRange& range, float white) {
  if (!range.finite || white == 0) return range.finite;
  const bool too_dark = white > 2 && range.largest > 0 && range.largest <= 1;
  return range.smallest >= -0.5f * white && range.largest <= 1.5f * white && !too_dark;
}

bool fits(const ImageView& images, const Shape& input) {
  const int rows = input.height - images.height, columns = input.width - images.width;
  const bool is_there = images.height > 0 && images.width > 0;
  return is_there && images.channels == input.maps && rows == columns && (rows == 0 || rows == 4);
}

ImageView view_of(const py::array& images) {
  const std::optional<PixelType> type = pixel_type(images);
  if (!type) throw Error("images: wanted uint8 or float32");
  if (images.ndim() != 4) throw Error("images: wanted (n, channels, height, width)");
  if (!has_countable_axes(images))
    throw Error("images: wanted fewer than 2^31 channels, rows and columns, found " +
                py::str(images.attr("shape")).cast<std::string>() + "; look at the array's strides");
  return {images.data(),
          *type,
          images.shape(0),
          static_cast<int>(images.shape(1)),
          static_cast<int>(images.shape(2)),
          static_cast<int>(images.shape(3)),
          images.strides(0),
          images.strides(1),
          images.strides(2),
          images.strides(3)};
}

std::optional<ImageView> plain_view_of(const py::object& object) {
  // Subclasses mean something by themselves: a mask, for example.
  if (Py_TYPE(object.ptr()) != reinterpret_cast<PyTypeObject*>(Npy::get().PyArray_Type_)) return std::nullopt;
  const auto images = py::reinterpret_borrow<py::array>(object);
  const py::ssize_t axes = images.ndim();
  const std::optional<PixelType> type = pixel_type(images);
  if (axes < 2 || axes > 4 || !type || !has_countable_axes(images)) return std::nullopt;
  const auto size = [&](py::ssize_t from_last) { return images.shape(axes - from_last); };
  const auto stride = [&](py::ssize_t from_last) { return images.strides(axes - from_last); };
  return ImageView{images.data(),
                   *type,
                   axes > 2 ? images.shape(0) : 1,
                   axes > 3 ? static_cast<int>(size(3)) : 1,
                   static_cast<int>(size(2)),
                   static_cast<int>(size(1)),
                   axes > 2 ? images.strides(0) : 0,
                   axes > 3 ? stride(3) : 0,
                   stride(2),
                   stride(1)};
}

void bind_pixels(py::module_& module) { module.def("pixel_range", &pixel_range, py::arg("images"), py::arg("white")); }

}  // namespace lenet_fast::bindings
