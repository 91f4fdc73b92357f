// How a single call is made.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tr {

namespace detail {

// How long a caller waits who says nothing else.
inline constexpr std::uint32_t default_timeout_ms = 10000;

}  // namespace detail

// How a call is made.
struct CallOptions {
    // How long the caller waits; the call goes on after it. Default: 10 s; with a deadline, as long as that takes.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    // When the call is over, whatever that takes: its handler is told, interrupted, and in the end its worker killed
    // (SessionOptions::patience). Counts from the call, its waiting in line included. The caller gets TimedOut
    // deadline_passed.
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    // Whether it may be sent to a second worker if the first one dies with it (SessionOptions::restart).
    bool idempotent = false;
};

}  // namespace tr
