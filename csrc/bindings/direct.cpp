// The way from a NumPy array to labels, scores or probabilities that needs nothing of Python: for arrays of the usual
// shapes and types, what Python would do first costs more than one image. Everything else, and everything that deserves
// a sentence, is answered with None; then the caller goes the long way.
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <tuple>

#include "../engine.hpp"
#include "../plan.hpp"
#include "images.hpp"
#include "outside.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

// Whether the first image holds nothing above 1: Python then looks at all of them, and warns if they are 0 and 1.
bool first_looks_binary(const ImageView& images) {
  const auto* const image = static_cast<const unsigned char*>(images.data);
  unsigned char largest = 0;
  for (int c = 0; c < images.channels; ++c)
    for (int y = 0; y < images.height; ++y) {
      const unsigned char* const row = image + c * images.channel_stride + y * images.row_stride;
      if (images.column_stride == 1)
        for (int x = 0; x < images.width; ++x) largest = std::max(largest, row[x]);
      else
        for (int x = 0; x < images.width; ++x) largest = std::max(largest, row[x * images.column_stride]);
      if (largest > 1) return false;
    }
  return true;
}

bool are_usual(const ImageView& images, const Plan& plan) {
  const float white = plan.scaling().white;
  if (images.type == PixelType::uint8) return white != 0 && (images.images == 0 || !first_looks_binary(images));
  return images.images == 0 || is_usual(range_of(images, plan.table()), white);
}

// The addresses of everything between an array's first and last value: [from, to).
struct Extent {
  const char *from, *to;
};

Extent extent_of(const py::array& array) {
  const auto* const data = static_cast<const char*>(array.data());
  Extent extent{data, data + array.itemsize()};
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    if (array.shape(axis) == 0) return {data, data};
    const py::ssize_t reach = (array.shape(axis) - 1) * array.strides(axis);
    (reach < 0 ? extent.from : extent.to) += reach;
  }
  return extent;
}

bool overlap(const py::array& a, const py::array& b) {
  const Extent one = extent_of(a), other = extent_of(b);
  return one.from < other.to && other.from < one.to;
}

// A new array of this shape, or `out` if it is one that can be written: of this type and shape, in C order, aligned,
// and apart from the images.
template <class Value>
std::optional<py::array> output(const py::object& out, std::span<const py::ssize_t> shape, const py::object& images) {
  using Array = py::array_t<Value, py::array::c_style>;
  if (out.is_none()) return Array(std::vector<py::ssize_t>(shape.begin(), shape.end()));
  if (!py::isinstance<Array>(out)) return std::nullopt;
  const auto array = py::reinterpret_borrow<py::array>(out);
  constexpr int kWanted = py::detail::npy_api::NPY_ARRAY_ALIGNED_ | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  if ((array.flags() & kWanted) != kWanted) return std::nullopt;
  if (!std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim())) return std::nullopt;
  if (overlap(array, py::reinterpret_borrow<py::array>(images))) return std::nullopt;
  return array;
}

// Whether the last axis may be the channels just as well as the one before rows and columns: that is a question.
bool reads_twice(ImageView images, const Shape& input) {
  std::tie(images.channels, images.height, images.width) = std::tuple(images.width, images.channels, images.height);
  return input.maps > 1 && fits(images, input);
}

// `want(outputs, data)` says what is to be written at `data`.
template <class Value, class Want>
py::object run_direct(const Plan& plan, const py::object& images, const py::object& out, bool per_class, Want want) {
  const std::optional<ImageView> view = plain_view_of(images);
  const Shape& input = plan.network().input();
  if (!view || !fits(*view, input) || reads_twice(*view, input) || !are_usual(*view, plan)) return py::none();
  const std::array<py::ssize_t, 2> shape{view->images, static_cast<py::ssize_t>(plan.network().output().size())};
  const std::optional<py::array> array = output<Value>(out, std::span(shape).first(per_class ? 2 : 1), images);
  if (!array) return py::none();
  Outputs outputs;
  want(outputs, static_cast<Value*>(py::array(*array).mutable_data()));
  compute([&](Interrupt& interrupt) { return run(plan, *view, outputs, interrupt); });
  return *array;
}

// A label and a probability of one class would say nothing.
bool has_classes(const Plan& plan) { return plan.network().output().size() > 1; }

py::object predict(const Plan& plan, const py::object& images, const py::object& out, bool reject) {
  if (!has_classes(plan)) return py::none();
  return run_direct<std::int64_t>(plan, images, out, false, [&](Outputs& outputs, std::int64_t* labels) {
    outputs.labels = labels;
    outputs.reject = reject;
  });
}

py::object scores(const Plan& plan, const py::object& images, const py::object& out) {
  Tap tap{plan.network().layers().size() - 1, nullptr};
  return run_direct<float>(plan, images, out, true, [&](Outputs& outputs, float* values) {
    tap.data = values;
    outputs.taps = {&tap, 1};
  });
}

py::object predict_proba(const Plan& plan, const py::object& images) {
  if (!has_classes(plan)) return py::none();
  return run_direct<float>(plan, images, py::none(), true,
                           [](Outputs& outputs, float* values) { outputs.probabilities = values; });
}

}  // namespace

void bind_direct(py::class_<Plan>& plan) {
  plan.def("predict", &predict, py::arg("images"), py::arg("out"), py::arg("reject"))
      .def("scores", &scores, py::arg("images"), py::arg("out"))
      .def("predict_proba", &predict_proba, py::arg("images"));
}

}  // namespace lenet_fast::bindings
