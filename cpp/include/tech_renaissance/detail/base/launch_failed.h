// The error for everything that the operating system may refuse when a session is made or started.
#pragma once

#include <string>

#include "tech_renaissance/error.h"

namespace tr::detail {

[[noreturn]] inline void throw_launch_failed(const std::string& why) { throw LaunchError("launch_failed", why); }

}  // namespace tr::detail
