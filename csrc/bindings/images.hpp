// NumPy array -> ImageView.
#pragma once

#include "../tensor.hpp"
#include "bindings.hpp"

namespace lenet_fast::bindings {

// A uint8 or float32 array of shape (n, channels, height, width), of any strides; throws Error for any other.
ImageView view_of(const pybind11::array& images);

}  // namespace lenet_fast::bindings
