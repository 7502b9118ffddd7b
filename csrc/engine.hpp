// Runs a plan over a batch: images -> maps, layer by layer -> what the caller asked for.
#pragma once

#include <cstdint>
#include <span>

#include "interrupt.hpp"
#include "plan.hpp"
#include "tensor.hpp"

namespace lenet_fast {

// Where the output of one layer goes: [images][maps][height][width] float32.
struct Tap {
  std::size_t layer;
  float* data;
};

constexpr std::int64_t kRejected = -1;

// What is wanted of a run; null or empty: not wanted. Everything is owned and sized by the caller.
struct Outputs {
  std::span<const Tap> taps;
  std::int64_t* labels = nullptr;  // [images]: the smallest distance or the largest score, the first of equals
  bool reject = false;             // labels are kRejected where the plan's calibration does not trust them
  float* probabilities = nullptr;  // [images][classes]: softmax of scores, or of negated distances
  bool has_rubbish = false;        // equation 9's rubbish class takes part in the softmax
  float rubbish = 0;               // with this distance, negated (or score)
};

// Computes the outputs on the calling thread and, for many images, on others, threads::count() together. Deterministic:
// neither their number nor the place of an image in the batch changes a bit of its outputs. The images must fit the
// plan: its channels, and its size or 4 pixels less in both directions (then centred).
//
// The calling thread comes in the default arithmetic, which workers inherit. False where the call was interrupted; then
// the outputs are not defined. Allocates nothing where an earlier call with as many threads has left its memory, up to
// kMostKept for each; throws std::bad_alloc where the calling thread finds none.
[[nodiscard]] bool run(const Plan& plan, const ImageView& images, const Outputs& outputs, Interrupt& interrupt);

}  // namespace lenet_fast
