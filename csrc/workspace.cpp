#include "workspace.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace lenet_fast {
namespace {

// One for each thread that calls at the same time, as long as they are not more; a cache line each.
constexpr int kPlaceBits = 6;
constexpr std::size_t kPlaces = std::size_t{1} << kPlaceBits;
struct alignas(kAlignment) Place {
  std::atomic<Workspace*> kept{nullptr};
};
std::array<Place, kPlaces> places;

// Where a thread looks first: it finds what it left, still warm, unless somebody else was in need of it. A thread's
// number is an address, whose last bits are alike; times 2^64 over the golden ratio, its first ones spread.
std::size_t own_place() {
  const auto thread = static_cast<std::uint64_t>((std::uintptr_t)pthread_self());  // a number here, a pointer there
  return static_cast<std::size_t>((thread >> 6) * 0x9E3779B97F4A7C15u >> (64 - kPlaceBits));
}

Workspace* take_kept() {
  const std::size_t own = own_place();
  for (std::size_t i = 0; i < kPlaces; ++i) {
    std::atomic<Workspace*>& place = places[(own + i) % kPlaces].kept;
    if (!place.load(std::memory_order_relaxed)) continue;
    if (Workspace* const found = place.exchange(nullptr, std::memory_order_acquire)) return found;
  }
  return nullptr;
}

// False where every place is taken.
bool keep(Workspace* workspace) {
  const std::size_t own = own_place();
  for (std::size_t i = 0; i < kPlaces; ++i) {
    Workspace* nothing = nullptr;
    if (places[(own + i) % kPlaces].kept.compare_exchange_strong(nothing, workspace, std::memory_order_release,
                                                                 std::memory_order_relaxed))
      return true;
  }
  return false;
}

bool is_kept(std::size_t floats) { return floats * sizeof(float) <= kMostKept; }

}  // namespace

void FreeWorkspace::operator()(Workspace* workspace) const {
  workspace->~Workspace();
  std::free(workspace);
}

WorkspacePtr Workspace::make(std::size_t floats) {
  const std::size_t bytes = sizeof(Workspace) + floats * sizeof(float);
  void* const memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return WorkspacePtr(memory ? new (memory) Workspace(floats) : nullptr);
}

void WorkspaceList::keep(WorkspacePtr workspace) {
  if (is_kept(workspace->floats())) push(std::move(workspace));
}

WorkspacePtr WorkspaceList::take(std::size_t floats) {
  if (is_kept(floats)) {
    WorkspacePtr found = pop();
    if (found && found->floats() >= floats) return found;
  }
  return Workspace::make(floats);
}

void WorkspaceList::push(WorkspacePtr workspace) {
  workspace->next = std::move(first_);
  first_ = std::move(workspace);
}

WorkspacePtr WorkspaceList::pop(const Workspace* preferred) {
  WorkspacePtr* at = &first_;
  while (*at && at->get() != preferred) at = &(*at)->next;
  if (!*at) at = &first_;
  WorkspacePtr found = std::move(*at);
  if (found) *at = std::move(found->next);
  return found;
}

CallersWorkspace::CallersWorkspace(std::size_t floats) {
  if (is_kept(floats)) mine_.reset(take_kept());
  if (!mine_ || mine_->floats() < floats) {
    mine_.reset();  // before the new one, or there may be no room for it
    mine_ = Workspace::make(floats);
  }
  if (!mine_) throw std::bad_alloc();
}

CallersWorkspace::~CallersWorkspace() {
  if (is_kept(mine_->floats()) && keep(mine_.get())) static_cast<void>(mine_.release());
}

}  // namespace lenet_fast
