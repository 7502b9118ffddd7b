#include "cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif

#include "error.hpp"

namespace lenet_fast::kernels {
extern const Table kBaselineTable;
#ifdef LENET_FAST_X86
extern const Table kAvx2Table, kAvx512Table;
#endif
#ifdef LENET_FAST_ARM64
extern const Table kNeonTable;
#endif
}  // namespace lenet_fast::kernels

namespace lenet_fast::cpu {
namespace {

std::vector<const kernels::Table*> detect() {
  std::vector<const kernels::Table*> tables;
#ifdef LENET_FAST_X86
  // These builtins ask the operating system too: a set counts only if its registers survive a task switch.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) tables.push_back(&kernels::kAvx512Table);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&kernels::kAvx2Table);
#endif
#ifdef LENET_FAST_ARM64
  tables.push_back(&kernels::kNeonTable);  // part of every AArch64
#endif
  tables.push_back(&kernels::kBaselineTable);
  return tables;
}

int affinity() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// Quota in processors from a control group's files, or infinity where it sets none.
double quota_v2(const std::string& folder) {
  std::string quota;
  double period = 0;
  std::ifstream file(folder + "/cpu.max");
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return INFINITY;
  return std::strtod(quota.c_str(), nullptr) / period;
}

double quota_v1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return quota > 0 && period > 0 ? quota / period : INFINITY;
}

// A group's limit binds its whole subtree, so the smallest one from this process's group up to the root counts.
double quota(const std::string& system) {
  double smallest = INFINITY;
  std::ifstream groups(system + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string root = system + (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controllers);
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      smallest = std::min(smallest, v2 ? quota_v2(root + path) : quota_v1(root + path));
      if (path.find('/') == std::string::npos) break;
    }
  }
  return smallest;
}

}  // namespace

const std::vector<const kernels::Table*>& available() {
  // Never destroyed: a daemon thread may still ask while the process ends.
  static const auto& tables = *new std::vector<const kernels::Table*>(detect());
  return tables;
}

const kernels::Table& chosen() {
  const char* forced = std::getenv("LENET_FAST_ISA");
  if (!forced || !*forced) return *available().front();
  std::string known;
  for (const kernels::Table* table : available()) {
    if (std::string_view(table->name) == forced) return *table;
    known += (known.empty() ? "" : ", ") + std::string(table->name);
  }
  throw Error("LENET_FAST_ISA: wanted an instruction set that this machine has (" + known + "), found '" + forced +
              "'; unset it to use the best one");
}

int usable_processors(const std::string& system) {
  const int processors = std::max(1, affinity());
  return static_cast<int>(std::min<double>(processors, std::max(1.0, std::ceil(quota(system)))));
}

std::string compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#else
  return "GCC " __VERSION__;
#endif
}

}  // namespace lenet_fast::cpu
