// What all platforms share about output.
#pragma once

#include <chrono>
#include <cstddef>

#include "tech_renaissance/output.h"

namespace tr::detail {

enum class Stream { out, err };

inline std::size_t index_of(Stream stream) noexcept { return stream == Stream::out ? 0 : 1; }

// Once the process has ended, how long to wait for a full target before the rest of the output is dropped.
constexpr std::chrono::milliseconds output_patience(200);

}  // namespace tr::detail
