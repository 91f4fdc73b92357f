// Points in time at which a wait ends.
#pragma once

#include <algorithm>
#include <chrono>

namespace tr::detail {

using Clock = std::chrono::steady_clock;

// Any timeout is fine: one that is negative has passed, one that the clock cannot hold is cut to a century.
inline Clock::time_point deadline_after(std::chrono::milliseconds timeout) {
    constexpr std::chrono::hours century(24 * 36500);
    return Clock::now() + std::clamp<std::chrono::milliseconds>(timeout, std::chrono::milliseconds::zero(), century);
}

// What is left, rounded up so that a wait never ends early; zero when the deadline has passed.
inline std::chrono::milliseconds left_until(Clock::time_point deadline) {
    const Clock::time_point now = Clock::now();
    if (deadline <= now) return std::chrono::milliseconds::zero();
    return std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
}

}  // namespace tr::detail
