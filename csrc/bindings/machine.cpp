#include "../cpu.hpp"
#include "../threads.hpp"
#include "bindings.hpp"

namespace lenet_fast::bindings {

void bind_machine(pybind11::module_& module) {
  module.def("compiler", &cpu::compiler);
  module.def("chosen_isa", [] { return cpu::chosen().name; });
  module.def("available_isas", [] {
    std::vector<std::string> names;
    for (const kernels::Table* table : cpu::available()) names.emplace_back(table->name);
    return names;
  });
  module.def(
      "multiply_adds",
      [](std::int64_t rounds) {
        float sink = 1e-6f;
        return cpu::chosen().multiply_adds(rounds, &sink);
      },
      pybind11::arg("rounds"), pybind11::call_guard<pybind11::gil_scoped_release>());
  module.def("num_threads", &threads::count);
  module.def("set_num_threads", &threads::set_count, pybind11::arg("threads"));
}

}  // namespace lenet_fast::bindings
