// One instruction set's kernels. Compiled once per set, with LENET_FAST_SIMD naming its header in simd/ and
// LENET_FAST_TABLE the one symbol that leaves the object; everything else has internal linkage.
#include "table.hpp"

#include LENET_FAST_SIMD

using namespace lenet_fast;  // a leaf of the program: nothing includes this file
using namespace lenet_fast::kernels;

#include "activation-inl.hpp"
#include "subsample2x2-inl.hpp"
// Each of the following uses what stands above it.
#include "conv5x5-inl.hpp"
#include "single_wide-inl.hpp"
#include "dense-inl.hpp"
#include "pixels-inl.hpp"
#include "softmax-inl.hpp"
#include "rows-inl.hpp"
#include "peak-inl.hpp"

static_assert(simd::kLanes <= kMostLanes && kDenseTile <= kMostDenseTile);

namespace lenet_fast::kernels {
extern const Table LENET_FAST_TABLE;
const Table LENET_FAST_TABLE = {.name = simd::kName,
                                .lanes = simd::kLanes,
                                .dense_tile = kDenseTile,
                                .single_at_most = simd::kSingleAtMost,
                                .load_pixels = ::load_pixels,
                                .conv5x5 = ::conv5x5,
                                .subsample2x2 = ::subsample2x2,
                                .dense = ::dense,
                                .rbf = ::rbf,
                                .load_single = ::load_single,
                                .single_conv5x5 = ::single_conv5x5,
                                .single_wide_conv5x5 = ::single_wide_conv5x5,
                                .single_dense = ::single_dense,
                                .single_rbf = ::single_rbf,
                                .softmax = ::softmax,
                                .store_rows = ::store_rows,
                                .activate = ::activate,
                                .pixel_range = ::pixel_range,
                                .multiply_adds = ::multiply_adds,
                                .loads = ::loads};
}  // namespace lenet_fast::kernels
