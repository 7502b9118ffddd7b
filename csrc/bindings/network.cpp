// Python's layer dataclasses arrive as tuples: the kind, then the fields in order.
#include "../network.hpp"

#include "../error.hpp"
#include "../plan.hpp"
#include "bindings.hpp"

namespace py = pybind11;

namespace lenet_fast::bindings {
namespace {

template <class Value>
Value field(const py::tuple& layer, std::size_t index) {
  return layer[index].cast<Value>();
}

// (name, slope)
Activation activation_in(const py::tuple& layer, std::size_t index) {
  const auto activation = field<py::tuple>(layer, index);
  return activation_named(field<std::string>(activation, 0), field<float>(activation, 1));
}

Layer layer_from(const py::tuple& layer) {
  const auto kind = field<std::string>(layer, 0);
  if (kind == "Conv5x5")
    return Conv5x5{field<int>(layer, 1), activation_in(layer, 2), field<int>(layer, 3),
                   field<std::vector<std::vector<int>>>(layer, 4)};
  if (kind == "Subsample2x2") return Subsample2x2{pooling_named(field<std::string>(layer, 1)), activation_in(layer, 2)};
  if (kind == "Dense") return Dense{field<int>(layer, 1), activation_in(layer, 2)};
  if (kind == "RBF") return RBF{field<int>(layer, 1)};
  throw Error("layer: wanted Conv5x5, Subsample2x2, Dense or RBF, found '" + kind + "'");
}

Network network_from(const std::array<int, 3>& input, const std::vector<py::tuple>& layers, const std::string& head) {
  std::vector<Layer> all;
  for (const py::tuple& layer : layers) all.push_back(layer_from(layer));
  return {{input[0], input[1], input[2]}, std::move(all), head_named(head)};
}

// (name, output shape, trainable, fixed, connections, multiply-adds, {parameter: shape})
py::tuple row_of(const LayerFigures& layer) {
  py::dict parameters;
  for (const Parameter& parameter : layer.parameters)
    parameters[py::str(parameter.name)] = py::tuple(py::cast(parameter.shape));
  return py::make_tuple(layer.name, py::make_tuple(layer.output.maps, layer.output.height, layer.output.width),
                        layer.trainable, layer.fixed, layer.connections, layer.multiply_adds, parameters);
}

}  // namespace

void bind_network(py::module_& module) {
  py::class_<Network>(module, "Network")
      .def(py::init(&network_from), py::arg("input"), py::arg("layers"), py::arg("head"))
      .def("figures",
           [](const Network& network) {
             py::list rows;
             for (const LayerFigures& layer : network.figures()) rows.append(row_of(layer));
             return rows;
           })
      .def("memory", &memory_of);
}

}  // namespace lenet_fast::bindings
