// Where a worker's output goes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace tr {

// What becomes of a worker's stdout and stderr, apart from the tail that is always kept.
struct InheritOutput {};  // they go to the host's stdout and stderr
struct DiscardOutput {};
struct OutputFile {
    std::string path;  // appended to, made if missing
};
struct OutputLine {
    // Without its newline, not always UTF-8. What is longer than 64 KiB comes in parts.
    std::string_view text;
    // "stdout" or "stderr"; or "dropped": then the text says how much of the output was, because the callback was too
    // slow for it.
    std::string_view stream;
    // The call in whose time it was written: its command and parameters; empty between calls.
    std::string_view command;
};
// Gets the output line by line, on a thread of its own; it may use its session, and destroy it. What it throws is
// dropped. One that is slow holds up the worker for a moment, then output is dropped. With it a session has one request
// under way at a time.
//
// Destroying the session gives it what there is for a second, and waits for it to return, five seconds at most. What it
// refers to must be there as long as it runs.
using OutputCallback = std::function<void(const OutputLine&)>;

using Output = std::variant<InheritOutput, DiscardOutput, OutputFile, OutputCallback>;

}  // namespace tr
