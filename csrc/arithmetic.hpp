// Arithmetic as IEEE 754 begins: rounding to nearest, numbers as small as there are, no traps.
//
// A thread may have it otherwise: libraries compiled with -ffast-math flush small numbers to zero in the thread that
// loads them, and a new thread inherits what its maker had. So a call computes in the default mode and gives the thread
// its own back. The compiler knows nothing of modes: what is to be computed in this one stands in a function of another
// file, which it cannot move.
#pragma once

#include <cstdint>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cfenv>
#endif

namespace lenet_fast {

// For as long as it lives, or until it lets go.
class DefaultArithmetic {
 public:
  DefaultArithmetic() { enter(); }
  ~DefaultArithmetic() { leave(); }
  DefaultArithmetic(const DefaultArithmetic&) = delete;
  DefaultArithmetic& operator=(const DefaultArithmetic&) = delete;

#if defined(__x86_64__) || defined(__aarch64__)
  // Writing the register costs more than reading it, and is rarely needed.
  void enter() {
    before_ = read();
    if (is_other()) write(kDefault);
  }
  void leave() {
    if (is_other()) write(before_);
  }

 private:
#ifdef __x86_64__
  static constexpr std::uint32_t kDefault = 0x1F80, kModes = 0xFFC0;  // the other bits tell what has happened
  static std::uint32_t read() { return __builtin_ia32_stmxcsr(); }
  static void write(std::uint32_t modes) { __builtin_ia32_ldmxcsr(modes); }
  std::uint32_t before_;
#else
  static constexpr std::uint64_t kDefault = 0, kModes = ~std::uint64_t{0};
  static std::uint64_t read() {
    std::uint64_t modes;
    asm volatile("mrs %0, fpcr" : "=r"(modes));
    return modes;
  }
  static void write(std::uint64_t modes) { asm volatile("msr fpcr, %0" : : "r"(modes) : "memory"); }
  std::uint64_t before_;
#endif
  bool is_other() const { return (before_ & kModes) != kDefault; }
#else
  void enter() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  void leave() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_;
#endif
};

}  // namespace lenet_fast
