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
    // "stdout" or "stderr".
    std::string_view stream;
    // The call in whose time it was written: its command and parameters; empty between calls.
    std::string_view command;
};
// Gets the output line by line, on a thread of the process's own. Must return; what it throws is dropped. Destroying
// the process waits for it. With it a session has one request under way at a time.
using OutputCallback = std::function<void(const OutputLine&)>;

using Output = std::variant<InheritOutput, DiscardOutput, OutputFile, OutputCallback>;

}  // namespace tr
