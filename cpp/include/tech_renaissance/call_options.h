// How a single call is made.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "tech_renaissance/detail/host/owned_body.h"
#include "tech_renaissance/progress.h"

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

// Stands for a function among the arguments of a call: on_progress([](const Progress& progress) { ... }). It is called
// in the thread that waits for the call, or dispatches, whenever the handler has said how far it is; not for each time
// that it says so, but for the last one. What it throws ends the wait: the call is given up, and its caller gets that.
// It is destroyed as soon as the result has been taken, or the call is given up, by whoever does that. So it may own
// anything, even its session.
struct ProgressCallback {
    std::function<void(const Progress&)> function;
};
inline ProgressCallback on_progress(std::function<void(const Progress&)> function) { return {std::move(function)}; }

namespace detail {

// How a typed call is made.
struct CallSetup {
    CallOptions options = {};
    std::function<void(const Progress&)> on_progress = {};
    bool streams = false;
    bool input = false;
    // Where the values of the input come from, unless they are pushed.
    std::function<std::optional<OwnedBody>()> source = {};
};

}  // namespace detail

}  // namespace tr
