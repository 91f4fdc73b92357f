// Durations as users give them, and the points in time at which waits end: spec/life.md, Durations.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "tech_renaissance/error.h"

namespace tr::detail {

using Clock = std::chrono::steady_clock;

// How long to wait: a negative duration counts as 0, one longer than a century as a century.
inline std::chrono::milliseconds bounded(std::chrono::milliseconds duration) {
    constexpr std::chrono::hours century(24 * 36500);
    return std::clamp<std::chrono::milliseconds>(duration, std::chrono::milliseconds::zero(), century);
}

// The same for an option of a session. Throws LocalProtocolError bad_option if it is negative.
inline std::chrono::milliseconds bounded_option(const char* name, std::chrono::milliseconds duration) {
    if (duration.count() >= 0) return bounded(duration);
    const std::string text = std::string(name) + " is a number of milliseconds, not ";
    throw LocalProtocolError("bad_option", text + std::to_string(duration.count()));
}

inline Clock::time_point deadline_after(std::chrono::milliseconds timeout) { return Clock::now() + bounded(timeout); }

// The time that is left, rounded up so that a wait never ends early; zero once the deadline has passed.
inline std::chrono::milliseconds left_until(Clock::time_point deadline) {
    const Clock::time_point now = Clock::now();
    if (deadline <= now) return std::chrono::milliseconds::zero();
    return std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
}

}  // namespace tr::detail
