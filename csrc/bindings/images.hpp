// NumPy array -> ImageView.
#pragma once

#include <optional>

#include "../tensor.hpp"
#include "bindings.hpp"

namespace lenet_fast::bindings {

// A uint8 or float32 array of shape (n, channels, height, width), of any strides; throws Error for any other.
ImageView view_of(const pybind11::array& images);

// A uint8 NumPy array of shape (n, channels, height, width), (n, height, width) or (height, width); nothing for others.
std::optional<ImageView> plain_view_of(const pybind11::object& images);

}  // namespace lenet_fast::bindings
