// What this machine offers: instruction sets and processors. The only place that knows instruction sets by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/table.hpp"

namespace lenet_fast::cpu {

// The kernels that processor and operating system can run, best first; the baseline is always there and last.
const std::vector<const kernels::Table*>& available();

// The table that LENET_FAST_ISA names, or the best one where it is unset or empty. Throws Error, listing the available
// ones, if it names another. Read at every call, so that a program can change its mind for the plans it makes next.
const kernels::Table& chosen();

// Processors that this process may keep busy: its affinity, capped by the quota of its control groups, at least 1.
// `system` is where /proc and /sys are looked for: a folder with files of their names, for tests, or "" for the
// machine.
int usable_processors(const std::string& system = "");

std::string compiler();

}  // namespace lenet_fast::cpu
