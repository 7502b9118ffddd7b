#include "images.hpp"

#include <algorithm>
#include <limits>

#include "../cpu.hpp"
#include "../error.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

bool is(const py::array& array, const char* dtype) { return array.dtype().equal(py::dtype(dtype)); }

kernels::PixelRange joined(const kernels::PixelRange& a, const kernels::PixelRange& b) {
  return {std::min(a.smallest, b.smallest), std::max(a.largest, b.largest), a.finite && b.finite};
}

// Rows that lie close together are read where they are, others through a copy.
kernels::PixelRange range_of(const ImageView& images, const kernels::Table& table) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  kernels::PixelRange range{kInfinity, -kInfinity, true};
  std::vector<float> row(static_cast<std::size_t>(images.width));
  const bool close = images.column_stride == sizeof(float);
  for (std::ptrdiff_t i = 0; i < images.images; ++i)
    for (int c = 0; c < images.channels; ++c)
      for (int y = 0; y < images.height; ++y) {
        const char* const from =
            static_cast<const char*>(images.image(i)) + c * images.channel_stride + y * images.row_stride;
        for (int x = 0; x < images.width; x = close ? images.width : x + 1)
          std::memcpy(&row[static_cast<std::size_t>(x)], from + x * images.column_stride,
                      close ? row.size() * sizeof(float) : sizeof(float));
        range = joined(range, table.pixel_range(row.data(), row.size()));
      }
  return range;
}

py::tuple pixel_range(const py::array& array) {
  const ImageView images = view_of(array);
  if (images.type != PixelType::float32) throw Error("images: wanted float32");
  kernels::PixelRange range;
  {
    const py::gil_scoped_release release;
    range = range_of(images, cpu::chosen());
  }
  return py::make_tuple(range.smallest, range.largest, range.finite);
}

}  // namespace

ImageView view_of(const py::array& images) {
  const bool bytes = is(images, "uint8");
  if (!bytes && !is(images, "float32")) throw Error("images: wanted uint8 or float32");
  if (images.ndim() != 4) throw Error("images: wanted (n, channels, height, width)");
  return {images.data(),
          bytes ? PixelType::uint8 : PixelType::float32,
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
  if (Py_TYPE(object.ptr()) != reinterpret_cast<PyTypeObject*>(py::detail::npy_api::get().PyArray_Type_))
    return std::nullopt;
  const auto images = py::reinterpret_borrow<py::array>(object);
  const py::ssize_t axes = images.ndim();
  if (axes < 2 || axes > 4 || images.dtype().num() != py::detail::npy_api::NPY_UBYTE_) return std::nullopt;
  const auto size = [&](py::ssize_t from_last) { return images.shape(axes - from_last); };
  const auto stride = [&](py::ssize_t from_last) { return images.strides(axes - from_last); };
  return ImageView{images.data(),
                   PixelType::uint8,
                   axes > 2 ? images.shape(0) : 1,
                   axes > 3 ? static_cast<int>(size(3)) : 1,
                   static_cast<int>(size(2)),
                   static_cast<int>(size(1)),
                   axes > 2 ? images.strides(0) : 0,
                   axes > 3 ? stride(3) : 0,
                   stride(2),
                   stride(1)};
}

void bind_pixels(py::module_& module) { module.def("pixel_range", &pixel_range, py::arg("images")); }

}  // namespace lenet_fast::bindings
