// lenet_fast._core: the table of contents. Only this folder knows Python.
#include "bindings.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace lenet_fast::bindings;
  module.attr("__version__") = LENET_FAST_VERSION;
  bind_machine(module);
  bind_network(module);
  bind_pixels(module);
  bind_plan(module);
}
