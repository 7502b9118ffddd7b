// The one exception of the core: a sentence that names what was wrong, what was wanted, what came and the way out.
#pragma once

#include <stdexcept>

namespace lenet_fast {

class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

}  // namespace lenet_fast
