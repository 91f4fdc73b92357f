// What is common to output on all platforms.
#pragma once

#include <chrono>
#include <cstddef>

#include "tech_renaissance/output.h"

namespace tr::detail {

enum class Stream { out, err };

inline std::size_t index_of(Stream stream) noexcept { return stream == Stream::out ? 0 : 1; }

// How long the last output of an ended process may find its target full before it is dropped.
constexpr std::chrono::milliseconds output_patience(200);

}  // namespace tr::detail
