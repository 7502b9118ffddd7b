#include "threads.hpp"

#include <pthread.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "cpu.hpp"
#include "error.hpp"

namespace lenet_fast::threads {

class Pool {
 public:
  void start(Helpers& call, std::size_t floats) {
    const std::lock_guard lock(mutex_);
    while (workers_ < call.wanted_ && start_worker()) ++workers_;
    const int most = std::exchange(call.wanted_, 0);
    while (call.wanted_ < most && call.wanted_ < workers_ && bring_memory(call, floats)) ++call.wanted_;
    if (call.wanted_ == 0) return;
    *end_of_queue() = &call;
    call.wanted_ == 1 ? work_.notify_one() : work_.notify_all();
  }

  void finish(Helpers& call) {
    std::unique_lock lock(mutex_);
    leave_queue(call);  // whoever has not joined by now would find nothing left to do
    done_.wait(lock, [&] { return call.running_ == 0; });
    for (WorkspaceList* const list : {&call.unused_, &call.used_})
      while (!list->empty()) spare_.keep(list->pop());
  }

 private:
  bool bring_memory(Helpers& call, std::size_t floats) {
    WorkspacePtr memory = spare_.take(floats);
    if (!memory) return false;
    call.unused_.push(std::move(memory));
    return true;
  }

  // False on a machine out of threads. No std::thread, which allocates and throws.
  bool start_worker() {
    static bool survives_forks = false;
    if (!survives_forks) survives_forks = pthread_atfork(nullptr, nullptr, begin_anew) == 0;
    pthread_t thread;
    if (!survives_forks || pthread_create(&thread, nullptr, work_in, this) != 0) return false;
    pthread_detach(thread);
    return true;
  }

  static void begin_anew();

  static void* work_in(void* pool) {
    static_cast<Pool*>(pool)->work();
    return nullptr;
  }

  void work() {
    const Workspace* last = nullptr;  // still warm
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return first_ != nullptr; });
      Helpers& call = *first_;
      WorkspacePtr mine = call.unused_.pop(last);
      if (--call.wanted_ == 0) leave_queue(call);
      ++call.running_;
      lock.unlock();
      call.task_.help(mine->data());
      lock.lock();
      last = mine.get();
      call.used_.push(std::move(mine));
      if (--call.running_ == 0) done_.notify_all();
    }
  }

  // ---- The queue of calls that want more workers ----

  Helpers** end_of_queue() {
    Helpers** at = &first_;
    while (*at) at = &(*at)->next_;
    return at;
  }

  void leave_queue(Helpers& call) {
    for (Helpers** at = &first_; *at; at = &(*at)->next_)
      if (*at == &call) {
        *at = call.next_;
        return;
      }
  }

  std::mutex mutex_;
  std::condition_variable work_, done_;
  Helpers* first_ = nullptr;
  WorkspaceList spare_;
  int workers_ = 0;
};

namespace {

// Never destroyed: workers sleep in it until the process ends. A forked child has none of them and perhaps a locked
// mutex: it begins anew in the same place.
alignas(Pool) std::byte storage[sizeof(Pool)];

Pool& pool() {
  static Pool* const instance = new (storage) Pool;
  return *instance;
}

// The number that `text` begins with, where it ends there or at a comma; 0 for any other.
int whole_number(const char* text, bool is_list) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  const bool ends = *end == '\0' || (is_list && *end == ',');
  return end != text && ends && value >= 1 && value <= 65536 ? static_cast<int>(value) : 0;
}

std::atomic<int> chosen{0};  // 0: nobody called set_count

}  // namespace

int count() {
  if (const int threads = chosen.load(std::memory_order_relaxed)) return threads;
  if (const char* text = std::getenv("LENET_FAST_NUM_THREADS"); text && *text) {
    if (const int threads = whole_number(text, false)) return threads;
    throw Error(std::string("LENET_FAST_NUM_THREADS: wanted a whole number from 1 to 65536, found '") + text + "'");
  }
  static const int processors = cpu::usable_processors();
  if (const char* text = std::getenv("OMP_NUM_THREADS"))  // one number per nesting level: the first is ours
    if (const int threads = whole_number(text, true)) return threads;
  return processors;
}

void set_count(int threads) {
  if (threads < 1) throw Error("threads: wanted at least 1, found " + std::to_string(threads));
  chosen.store(threads, std::memory_order_relaxed);
}

void Pool::begin_anew() { new (storage) Pool; }

Helpers::Helpers(int count, std::size_t floats, Task& task) : task_(task), wanted_(count), is_known_(count > 0) {
  if (is_known_) pool().start(*this, floats);
}

Helpers::~Helpers() {
  if (is_known_) pool().finish(*this);
}

}  // namespace lenet_fast::threads
