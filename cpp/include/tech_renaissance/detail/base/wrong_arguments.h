// A function of the host that cannot take its arguments.
#pragma once

#include <stdexcept>

namespace tr::detail {

struct WrongArguments : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace tr::detail
