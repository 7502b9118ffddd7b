// The only place that starts threads: a pool of workers that sleep until a call has work for them.
//
// A call does its work itself and lets some workers help; each takes its share from a common counter, so nobody waits
// for a slow neighbour. Workers sleep on a condition variable and never spin. Calls may come from many threads at once.
// After a fork the child starts with a new, empty pool.
//
// Workers allocate nothing and throw nothing: the calling thread brings their memory. Where it finds none, or no
// further thread, the call is slower and not wrong.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "workspace.hpp"

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
  bool has_more() const { return next_.load(std::memory_order_relaxed) < count_; }
  void stop() { next_.store(count_, std::memory_order_relaxed); }  // hands out no more

 private:
  std::atomic<std::int64_t> next_{0};
  const std::int64_t count_;
};

// What workers help with.
class Task {
 public:
  virtual void help(float* memory) noexcept = 0;  // on a worker, in memory that nobody else uses

 protected:
  ~Task() = default;
};

// As long as it lives, up to `count` workers help with the task, each in `floats` of memory; its end waits for those
// that are at it.
class Helpers {
 public:
  Helpers(int count, std::size_t floats, Task& task);
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

 private:
  friend class Pool;

  Task& task_;
  int wanted_;                   // workers that may still join
  int running_ = 0;              // workers at work
  WorkspaceList unused_, used_;  // for those that join, and from those that have left
  const bool is_known_;          // to the pool
  Helpers* next_ = nullptr;      // in its queue
};

}  // namespace lenet_fast::threads
