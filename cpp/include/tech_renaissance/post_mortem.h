// The record of a worker's end: spec/life.md, Post-mortem.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tr {

// How a worker's process ended. Texts hold at most 64 KiB.
struct PostMortem {
    std::int64_t pid = 0;
    // The exit code, negative for a signal; nullopt if it cannot be known.
    std::optional<int> exit_status;
    // Name of the signal; empty for none.
    std::string signal;
    // "starting", "idle", "busy" or "exiting".
    std::string moment;
    // Why its host ended it; empty if it ended by itself.
    std::string ended_by_host;
    // What it was busy with, and for how many seconds.
    std::string command;
    double running_s = 0;
    // The Python traceback that it ended with, if it did.
    std::string traceback;
    // What faulthandler wrote of a native fault.
    std::string stack;
    // The last output, stdout and stderr in the order of arrival.
    std::string output_tail;
    // The most resident memory that it had; nullopt if unknown.
    std::optional<std::uint64_t> memory_peak_nbytes;
    // Whether the kernel ended it for want of memory.
    bool out_of_memory = false;
    // The interpreter's path, and versions; empty if the worker never told.
    std::string interpreter;
    std::string python;
    std::string tech_renaissance;
    // Seconds since 1970.
    double started_at = 0;
    double ended_at = 0;
};

}  // namespace tr
