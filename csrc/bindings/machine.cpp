#include <algorithm>
#include <optional>

#include "../arithmetic.hpp"
#include "../cpu.hpp"
#include "../tensor.hpp"
#include "../threads.hpp"
#include "bindings.hpp"
#include "outside.hpp"

namespace lenet_fast::bindings {

namespace {

// For Python's with statement: what NumPy converts for a model is rounded as the core rounds.
class DefaultArithmeticForPython {
 public:
  void enter() { arithmetic_.emplace(); }
  void leave(const pybind11::args&) { arithmetic_.reset(); }

 private:
  std::optional<DefaultArithmetic> arithmetic_;
};

}  // namespace

void bind_machine(pybind11::module_& module) {
  module.def("compiler", &cpu::compiler);
  module.def("commit", [] { return LENET_FAST_COMMIT; });
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
      pybind11::arg("rounds"), pybind11::call_guard<OutsidePython>());
  module.def(
      "loads",
      [](std::size_t bytes, std::int64_t rounds) {
        const AlignedBuffer values(bytes / sizeof(float));
        std::fill_n(values.data(), values.size(), 0.0f);
        float sink = 0.0f;
        return cpu::chosen().loads(values.data(), values.size(), rounds, &sink) *
               static_cast<std::int64_t>(sizeof(float));
      },
      pybind11::arg("bytes"), pybind11::arg("rounds"), pybind11::call_guard<OutsidePython>());
  pybind11::class_<DefaultArithmeticForPython>(module, "DefaultArithmetic")
      .def(pybind11::init())
      .def("__enter__", &DefaultArithmeticForPython::enter)
      .def("__exit__", &DefaultArithmeticForPython::leave);
  module.def("usable_processors", &cpu::usable_processors, pybind11::arg("system") = "");
  module.def("num_threads", &threads::count);
  module.def("set_num_threads", &threads::set_count, pybind11::arg("threads"));
}

}  // namespace lenet_fast::bindings
