// How a long call is given up: between two pieces of work the calling thread asks its caller whether to go on, and if
// not, no thread takes a further piece. Other threads ask nobody.
#pragma once

#include <chrono>

namespace lenet_fast {

class Interrupt {
 public:
  // Whether the call is to end. Looks at the clock, and asks the caller only every kBetween: it may stand between any
  // two pieces of work that are worth a clock's look, a millisecond or less each.
  bool is_wanted() {
    const Clock::time_point now = Clock::now();
    if (next_ == Clock::time_point{}) next_ = now + kBetween;
    if (now < next_) return false;
    const bool answer = ask();
    next_ = Clock::now() + kBetween;
    return answer;
  }

 protected:
  ~Interrupt() = default;

 private:
  using Clock = std::chrono::steady_clock;
  // Asking may mean waiting for a lock that somebody else has for milliseconds; nobody notices a thirtieth of a second.
  static constexpr std::chrono::milliseconds kBetween{30};

  virtual bool ask() noexcept = 0;

  Clock::time_point next_{};
};

}  // namespace lenet_fast
