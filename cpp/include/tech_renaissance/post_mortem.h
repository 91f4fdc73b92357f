// The record of how a worker ended: spec/life.md, Post-mortem.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tr {

// How a worker's process ended. Texts hold at most 64 KiB.
struct PostMortem {
    std::int64_t pid = 0;
    // The exit code, negative for a signal (on Windows: an exception); nullopt if it cannot be known.
    std::optional<int> exit_status;
    // Name of the signal or exception; empty if there was none.
    std::string signal;
    // "starting", "idle", "busy" or "exiting".
    std::string moment;
    // Why its host ended it; empty if it ended on its own.
    std::string ended_by_host;
    // What it was busy with, and for how many seconds.
    std::string message;
    double running_s = 0;
    // The Python traceback that it ended with, if any.
    std::string traceback;
    // What faulthandler wrote about a native fault.
    std::string stack;
    // The last output, stdout and stderr in the order of arrival.
    std::string output_tail;
    // Its peak resident memory; nullopt if unknown.
    std::optional<std::uint64_t> memory_peak_nbytes;
    // Whether the kernel killed it because memory ran out.
    bool out_of_memory = false;
    // The interpreter's path, and the versions; empty if the worker never reported them.
    std::string interpreter;
    std::string python;
    std::string tech_renaissance;
    // Seconds since 1970.
    double started_at = 0;
    double ended_at = 0;
};

}  // namespace tr
