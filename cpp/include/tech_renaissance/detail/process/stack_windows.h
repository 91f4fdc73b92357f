#pragma once

#include <filesystem>
#include <string>

#include "tech_renaissance/detail/process/process.h"

namespace tr::detail {

// There is no signal to ask with.
inline std::string take_stacks(const Process& /*process*/, const std::filesystem::path& /*path*/) { return ""; }

}  // namespace tr::detail
