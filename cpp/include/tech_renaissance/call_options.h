// How a single call is made.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tr {

namespace detail {

// How long a caller waits by default.
inline constexpr std::uint32_t default_timeout_ms = 10000;

}  // namespace detail

// How a call is made.
struct CallOptions {
    // How long the caller waits; after that the call goes on without it. Default: 10 s; with a deadline, until the call
    // has been ended.
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    // How long the call may take, time in the queue included. Then it is ended, whatever that takes: its handler is
    // notified, then interrupted, and in the end its worker is killed (SessionOptions::patience). The caller gets
    // TimedOut deadline_passed.
    std::optional<std::chrono::milliseconds> deadline = std::nullopt;
    // Whether it may be sent to a second worker if the first one dies during it (SessionOptions::restart).
    bool idempotent = false;
};

}  // namespace tr
