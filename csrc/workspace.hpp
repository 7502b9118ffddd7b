// The memory that a thread computes in, and what is kept of it from call to call.
//
// No thread owns its own (thread_local): in a library that is loaded late such memory is allocated when it is first
// touched, and the C library ends the process where that fails, or where it cannot note what to do at the thread's end.
// Instead a call takes what earlier calls left. What is kept lies in a list that its own memory makes up, so keeping it
// allocates nothing; and running out of memory is told by a null pointer, since throwing allocates too.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/table.hpp"

namespace lenet_fast {

// What a thread keeps at most, in bytes. The named networks want less than 2 MiB.
constexpr std::size_t kMostKept = std::size_t{16} << 20;

class Workspace;
struct FreeWorkspace {
  void operator()(Workspace* workspace) const;
};
using WorkspacePtr = std::unique_ptr<Workspace, FreeWorkspace>;

// Stands at the head of its own memory.
class alignas(kAlignment) Workspace {
 public:
  static WorkspacePtr make(std::size_t floats);  // null where there is no memory for it

  float* data() { return reinterpret_cast<float*>(this + 1); }
  std::size_t floats() const { return floats_; }

  WorkspacePtr next;  // of a WorkspaceList

 private:
  explicit Workspace(std::size_t floats) : floats_(floats) {}
  const std::size_t floats_;
};

// Workspaces that nobody uses at the moment; not for several threads at once.
class WorkspaceList {
 public:
  void keep(WorkspacePtr workspace);  // freed if it is larger than kMostKept
  // One of at least so many floats: an old one, or instead of an old one that is too small a new one; null where there
  // is no memory for it.
  WorkspacePtr take(std::size_t floats);

  void push(WorkspacePtr workspace);
  WorkspacePtr pop(const Workspace* preferred = nullptr);  // that one if it is here, else the last that came; or null
  bool empty() const { return !first_; }

 private:
  WorkspacePtr first_;
};

// The calling thread's, for the length of a call.
class CallersWorkspace {
 public:
  explicit CallersWorkspace(std::size_t floats);  // throws std::bad_alloc
  ~CallersWorkspace();
  CallersWorkspace(const CallersWorkspace&) = delete;
  CallersWorkspace& operator=(const CallersWorkspace&) = delete;

  float* data() const { return mine_->data(); }

 private:
  WorkspacePtr mine_;
};

}  // namespace lenet_fast
