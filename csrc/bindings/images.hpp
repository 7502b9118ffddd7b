// NumPy array -> ImageView, and what its pixels look like.
#pragma once

#include <optional>

#include "../kernels/table.hpp"
#include "../network.hpp"
#include "../tensor.hpp"
#include "bindings.hpp"

namespace lenet_fast::bindings {

// A uint8 or float32 array of shape (n, channels, height, width), of any strides; throws Error for any other.
ImageView view_of(const pybind11::array& images);

// A plain NumPy array of uint8 or float32, of shape (n, channels, height, width), (n, height, width) or (height,
// width); nothing for others.
std::optional<ImageView> plain_view_of(const pybind11::object& images);

// Images may be as large as the network's input, or 4 pixels smaller in both directions.
bool fits(const ImageView& images, const Shape& input);

// Of float32 images, at least one. Computed outside Python.
kernels::PixelRange range_of(const ImageView& images, const kernels::Table& table);

// Float pixels count 0..white; beyond half of that range on either side, or all within 0..1 where white is more, they
// have surely been scaled otherwise. Where white is not known, 0, everything finite is usual.
bool is_usual(const kernels::PixelRange& range, float white);

}  // namespace lenet_fast::bindings
