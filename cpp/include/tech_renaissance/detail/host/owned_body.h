// A value on its way to the worker.
#pragma once

#include <memory>

#include "tech_renaissance/body.h"

namespace tr::detail {

struct OwnedBody {
    Body value;
    std::shared_ptr<void> owner;  // what its memory belongs to
};

}  // namespace tr::detail
