#include "threads.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#ifdef __unix__
#include <pthread.h>
#endif

#include "cpu.hpp"
#include "error.hpp"

namespace lenet_fast::threads {
namespace {

struct Job {
  const std::function<void()>& body;
  int wanted;       // workers that may still join
  int running = 0;  // workers inside the body
  std::exception_ptr error = nullptr;
};

class Pool {
 public:
  void run(int helpers, const std::function<void()>& body) {
    Job job{body, helpers};
    start(job);
    std::exception_ptr error;
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    finish(job);
    if (!error) error = job.error;
    if (error) std::rethrow_exception(error);
  }

 private:
  void start(Job& job) {
    const std::lock_guard lock(mutex_);
    while (workers_ < job.wanted && start_worker()) ++workers_;
    jobs_.push_back(&job);
    job.wanted == 1 ? work_.notify_one() : work_.notify_all();
  }

  // A machine out of threads makes the call slower, not wrong: the calling thread does the work.
  bool start_worker() try {
    std::thread([this] { work(); }).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }

  void finish(Job& job) {
    std::unique_lock lock(mutex_);
    std::erase(jobs_, &job);  // whoever has not joined by now would find nothing left to do
    done_.wait(lock, [&] { return job.running == 0; });
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return !jobs_.empty(); });
      Job& job = *jobs_.front();
      if (--job.wanted == 0) jobs_.pop_front();
      ++job.running;
      lock.unlock();
      std::exception_ptr error;
      try {
        job.body();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error && !job.error) job.error = error;
      if (--job.running == 0) done_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::deque<Job*> jobs_;
  int workers_ = 0;
};

// Never destroyed: workers sleep in it until the process ends.
Pool& pool() {
  alignas(Pool) static std::byte storage[sizeof(Pool)];
  static Pool* const instance = [] {
    Pool* const made = new (storage) Pool;
#ifdef __unix__
    // The child has none of the workers and perhaps a locked mutex: it begins anew in the same place.
    pthread_atfork(nullptr, nullptr, [] { new (storage) Pool; });
#endif
    return made;
  }();
  return *instance;
}

int whole_number(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  return end != text && *end == '\0' && value >= 1 && value <= 65536 ? static_cast<int>(value) : 0;
}

std::atomic<int> chosen{0};  // 0: nobody called set_count

}  // namespace

int count() {
  if (const int threads = chosen.load(std::memory_order_relaxed)) return threads;
  if (const char* text = std::getenv("LENET_FAST_NUM_THREADS"); text && *text) {
    if (const int threads = whole_number(text)) return threads;
    throw Error(std::string("LENET_FAST_NUM_THREADS: wanted a whole number from 1 to 65536, found '") + text + "'");
  }
  static const int processors = cpu::usable_processors();
  if (const char* text = std::getenv("OMP_NUM_THREADS")) {
    const std::string list = text;  // one number per nesting level: the first is ours
    if (const int threads = whole_number(list.substr(0, list.find(',')).c_str())) return threads;
  }
  return processors;
}

void set_count(int threads) {
  if (threads < 1) throw Error("threads: wanted at least 1, found " + std::to_string(threads));
  chosen.store(threads, std::memory_order_relaxed);
}

void run(int threads, const std::function<void()>& body) {
  if (threads <= 1) return body();
  pool().run(threads - 1, body);
}

}  // namespace lenet_fast::threads
