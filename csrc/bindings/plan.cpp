#include "../plan.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include "../cpu.hpp"
#include "../engine.hpp"
#include "../error.hpp"
#include "images.hpp"
#include "outside.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

std::span<const float> values_of(const Floats& array) { return {array.data(), static_cast<std::size_t>(array.size())}; }

std::unique_ptr<Plan> make_plan(const Network& network, const std::vector<std::pair<Floats, Floats>>& weights,
                                std::vector<float> scale, std::vector<float> shift, float white, float background,
                                const std::tuple<float, float, float>& calibration, bool every_layer) {
  const auto [sharpness, margin, distance] = calibration;
  std::vector<LayerWeights> layers;
  for (const auto& [weight, bias] : weights) layers.push_back({values_of(weight), values_of(bias)});
  return std::make_unique<Plan>(network, layers, Scaling{std::move(scale), std::move(shift), white, background},
                                Calibration{sharpness, margin, distance}, cpu::chosen(), every_layer);
}

// The memory of an output array, which must be what the engine writes: C-contiguous, of this type, and with so many
// values for each image.
template <class Value>
Value* writable(const char* name, const py::array& array, std::int64_t images, std::int64_t per_image) {
  std::int64_t size = 0;
  const bool is_countable = !__builtin_mul_overflow(images, per_image, &size);
  if (!py::isinstance<py::array_t<Value, py::array::c_style>>(array) || !is_countable || array.size() != size)
    throw Error(std::string(name) + ": wanted a C-contiguous " + (std::is_same_v<Value, float> ? "float32" : "int64") +
                " array of " + std::to_string(images) + (per_image == 1 ? "" : " x " + std::to_string(per_image)) +
                " values");
  return static_cast<Value*>(py::array(array).mutable_data());
}

void run_plan(const Plan& plan, const py::array& array, const std::vector<std::pair<std::size_t, py::array>>& layers,
              const std::optional<py::array>& labels, const std::optional<py::array>& probabilities,
              std::optional<float> rubbish, bool reject) {
  const ImageView images = view_of(array);
  if (!fits(images, plan.network().input())) throw Error("images: their size does not fit the network's input");
  if (images.type == PixelType::uint8 && plan.scaling().white == 0)
    throw Error("images: wanted floating point, since what uint8 pixels stand for is not known");
  std::vector<Tap> taps;
  for (const auto& [layer, out] : layers)
    taps.push_back({layer, writable<float>("out", out, images.images, plan.buffer_of(layer).shape.size())});
  Outputs outputs{
      .taps = taps, .reject = reject, .has_rubbish = rubbish.has_value(), .rubbish = rubbish.value_or(0.0f)};
  if (labels) outputs.labels = writable<std::int64_t>("labels", *labels, images.images, 1);
  if (probabilities)
    outputs.probabilities =
        writable<float>("probabilities", *probabilities, images.images, plan.network().output().size());
  compute([&](Interrupt& interrupt) { return run(plan, images, outputs, interrupt); });
}

// A piece is some microseconds of work.
Floats activate(const std::string& name, const Floats& values, float slope) {
  constexpr std::size_t kPiece = 16384;
  const Activation activation = activation_named(name, slope);
  const kernels::Table& table = cpu::chosen();
  Floats result(std::vector<py::ssize_t>(values.shape(), values.shape() + values.ndim()));
  const std::span<const float> from = values_of(values);
  float* const to = result.mutable_data();
  compute([&](Interrupt& interrupt) {
    for (std::size_t done = 0; done < from.size(); done += kPiece) {
      table.activate(activation, from.data() + done, to + done, std::min(kPiece, from.size() - done));
      if (interrupt.is_wanted()) return false;
    }
    return true;
  });
  return result;
}

}  // namespace

void bind_plan(py::module_& module) {
  py::class_<Plan> bound(module, "Plan");
  bound
      .def(py::init(&make_plan), py::arg("network"), py::arg("weights"), py::arg("scale"), py::arg("shift"),
           py::arg("white"), py::arg("background"), py::arg("calibration"), py::arg("every_layer"))
      .def_property_readonly("workspace", [](const Plan& plan) { return plan.workspace_size() * sizeof(float); })
      .def_property_readonly("isa", [](const Plan& plan) { return plan.table().name; })
      .def("run", &run_plan, py::arg("images"), py::kw_only(), py::arg("layers") = py::list(),
           py::arg("labels") = py::none(), py::arg("probabilities") = py::none(), py::arg("rubbish") = py::none(),
           py::arg("reject") = false);
  bind_direct(bound);
  module.def("activate", &activate, py::arg("name"), py::arg("values"), py::arg("slope") = 0.0f);
}

}  // namespace lenet_fast::bindings
