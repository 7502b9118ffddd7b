#include "../plan.hpp"

#include <optional>

#include "../cpu.hpp"
#include "../engine.hpp"
#include "../error.hpp"
#include "images.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

std::span<const float> values_of(const Floats& array) { return {array.data(), static_cast<std::size_t>(array.size())}; }

std::unique_ptr<Plan> make_plan(const Network& network, const std::vector<std::pair<Floats, Floats>>& weights,
                                std::vector<float> scale, std::vector<float> shift, float background,
                                bool every_layer) {
  std::vector<LayerWeights> layers;
  for (const auto& [weight, bias] : weights) layers.push_back({values_of(weight), values_of(bias)});
  return std::make_unique<Plan>(network, layers, Scaling{std::move(scale), std::move(shift), background}, cpu::chosen(),
                                every_layer);
}

// The memory of an output array, which must be what the engine writes: C-contiguous, of this type and size.
template <class Value>
Value* writable(const char* name, const py::array& array, std::int64_t size) {
  if (!py::isinstance<py::array_t<Value, py::array::c_style>>(array) || array.size() != size)
    throw Error(std::string(name) + ": wanted a C-contiguous " + (std::is_same_v<Value, float> ? "float32" : "int64") +
                " array of " + std::to_string(size) + " values");
  return static_cast<Value*>(py::array(array).mutable_data());
}

// Images may be as large as the network's input, or 4 pixels smaller in both directions.
bool fits(const ImageView& images, const Shape& input) {
  const int rows = input.height - images.height, columns = input.width - images.width;
  return images.channels == input.maps && rows == columns && (rows == 0 || rows == 4);
}

void run_plan(const Plan& plan, const py::array& array, const std::vector<std::pair<std::size_t, py::array>>& layers,
              const std::optional<py::array>& labels, const std::optional<py::array>& probabilities,
              std::optional<float> rubbish) {
  const ImageView images = view_of(array);
  if (!fits(images, plan.network().input())) throw Error("images: their size does not fit the network's input");
  std::vector<Tap> taps;
  for (const auto& [layer, out] : layers)
    taps.push_back({layer, writable<float>("out", out, images.images * plan.buffer_of(layer).shape.size())});
  Outputs outputs{.taps = taps, .has_rubbish = rubbish.has_value(), .rubbish = rubbish.value_or(0.0f)};
  if (labels) outputs.labels = writable<std::int64_t>("labels", *labels, images.images);
  if (probabilities)
    outputs.probabilities =
        writable<float>("probabilities", *probabilities, images.images * plan.network().output().size());
  const py::gil_scoped_release release;
  run(plan, images, outputs);
}

// Whether the first image holds nothing above 1: Python then looks at all of them, and warns if they are 0 and 1.
bool first_looks_binary(const ImageView& images) {
  if (images.images == 0) return false;
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

// Labels of a uint8 array (n, c, h, w), (n, h, w) or (h, w) of a fitting size, or None for anything else: what Python
// would do with such an array costs more than to label one image.
py::object predict(const Plan& plan, const py::object& images) {
  const std::optional<ImageView> view = plain_view_of(images);
  if (!view || !fits(*view, plan.network().input()) || first_looks_binary(*view)) return py::none();
  py::array_t<std::int64_t> labels(view->images);
  Outputs outputs;
  outputs.labels = labels.mutable_data();
  const py::gil_scoped_release release;
  run(plan, *view, outputs);
  return labels;
}

Floats activate(const std::string& name, const Floats& values) {
  const Activation activation = activation_named(name);
  const kernels::Table& table = cpu::chosen();
  Floats result(std::vector<py::ssize_t>(values.shape(), values.shape() + values.ndim()));
  table.activate(activation, values.data(), result.mutable_data(), static_cast<std::size_t>(values.size()));
  return result;
}

}  // namespace

void bind_plan(py::module_& module) {
  py::class_<Plan>(module, "Plan")
      .def(py::init(&make_plan), py::arg("network"), py::arg("weights"), py::arg("scale"), py::arg("shift"),
           py::arg("background"), py::arg("every_layer"))
      .def_property_readonly("isa", [](const Plan& plan) { return plan.table().name; })
      .def("predict", &predict, py::arg("images"))
      .def("run", &run_plan, py::arg("images"), py::kw_only(), py::arg("layers") = py::list(),
           py::arg("labels") = py::none(), py::arg("probabilities") = py::none(), py::arg("rubbish") = py::none());
  module.def("activate", &activate, py::arg("name"), py::arg("values"));
}

}  // namespace lenet_fast::bindings
