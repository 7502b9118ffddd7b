// Outside Python: how a call lets go of the interpreter while the core computes, and how it comes back.
//
// A process may end while a call runs in a daemon thread. There is no interpreter then for the thread to come back to:
// Python 3.14 puts it to sleep for ever, earlier ones end it by unwinding its stack, C++ frames and all, and what unwinds
// through a destructor ends the process. So this does for all of them what 3.14 does.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace lenet_fast::bindings {

// Without the GIL for as long as it lives.
class OutsidePython {
 public:
  OutsidePython() : state_(PyEval_SaveThread()) {}
  ~OutsidePython() { come_back(); }
  OutsidePython(const OutsidePython&) = delete;
  OutsidePython& operator=(const OutsidePython&) = delete;

 private:
  void come_back() noexcept {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // the unwinding; it goes on where this block ends, so it never does
      for (;;) pause();
    }
  }

  PyThreadState* const state_;
};

}  // namespace lenet_fast::bindings
