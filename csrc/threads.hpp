// The only place that starts threads: a pool of workers that sleep until a call has work for them.
//
// A call hands the same body to the calling thread and to some workers; the body takes its share from a common counter,
// so nobody waits for a slow neighbour. Workers sleep on a condition variable and never spin. Calls may come from many
// threads at once. After a fork the child starts with a new, empty pool.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace lenet_fast::threads {

// How many threads a call uses unless it says otherwise: set_count, else LENET_FAST_NUM_THREADS, else OMP_NUM_THREADS,
// else every usable processor. Throws Error if LENET_FAST_NUM_THREADS is not a whole number from 1 to 65536.
int count();
void set_count(int threads);  // 1 or more

// Hands out 0, 1, ..., count - 1, each once.
class Counter {
 public:
  explicit Counter(std::int64_t count) : count_(count) {}
  bool take(std::int64_t& index) {
    index = next_.fetch_add(1, std::memory_order_relaxed);
    return index < count_;
  }

 private:
  std::atomic<std::int64_t> next_{0};
  const std::int64_t count_;
};

// Runs `body` on the calling thread and on up to `threads` - 1 workers at the same time; returns when all have
// returned. The first exception thrown by any of them is thrown here.
void run(int threads, const std::function<void()>& body);

}  // namespace lenet_fast::threads
