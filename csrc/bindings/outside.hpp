// Outside Python: how a call lets go of the interpreter while the core computes, and how it comes back.
//
// A process may end while a call runs in a daemon thread. There is no interpreter then for the thread to come back to:
// Python 3.14 puts it to sleep for ever, earlier ones end it by unwinding its stack, C++ frames and all, and what
// unwinds through a destructor ends the process. So this does for all of them what 3.14 does.
//
// Signals wait for Python to look at them: so that Ctrl-C need not wait for the end of a long call, the core comes back
// for a moment now and then. What a handler raises stays Python's current error until the call has ended.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include "../arithmetic.hpp"
#include "../interrupt.hpp"

namespace lenet_fast::bindings {

// Without the GIL and in the default arithmetic for as long as it lives.
class OutsidePython final : public Interrupt {
 public:
  OutsidePython() : state_(PyEval_SaveThread()) {}
  ~OutsidePython() { come_back(); }
  OutsidePython(const OutsidePython&) = delete;
  OutsidePython& operator=(const OutsidePython&) = delete;

 private:
  void leave() noexcept {
    state_ = PyEval_SaveThread();
    arithmetic_.enter();
  }

  void come_back() noexcept {
    arithmetic_.leave();
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // the unwinding; it goes on where this block ends, so it never does
      for (;;) pause();
    }
  }

  // Whether a signal's handler has raised; handlers run in the main thread alone.
  bool ask() noexcept override {
    come_back();
    const bool raised = PyErr_CheckSignals() != 0;
    leave();
    return raised;
  }

  PyThreadState* state_;
  DefaultArithmetic arithmetic_;
};

// Lets `work(interrupt)` compute outside Python; throws what a handler raised if it was interrupted: returned false.
template <class Work>
void compute(Work work) {
  bool done;
  {
    OutsidePython outside;
    done = work(static_cast<Interrupt&>(outside));
  }
  if (!done) throw pybind11::error_already_set();
}

}  // namespace lenet_fast::bindings
