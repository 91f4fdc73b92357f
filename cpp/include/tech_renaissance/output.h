// Where a worker's output goes.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>

namespace tr {

// Where a worker's stdout and stderr go. The last lines are kept in any case.
struct InheritOutput {};  // they go to the host's stdout and stderr
struct DiscardOutput {};
struct OutputFile {
    std::string path;  // appended to; created if missing
};
struct OutputLine {
    // Without its newline; not always UTF-8. A line longer than 64 KiB comes in parts.
    std::string_view text;
    // "stdout" or "stderr"; or "dropped": the text then says how much output was dropped because the callback was too
    // slow.
    std::string_view stream;
    // The call during which it was written: its command and parameters; empty between calls.
    std::string_view message;
};
// Gets the output line by line, in a thread of its own; it may use its session, and even destroy it. What it throws is
// ignored. A slow callback holds up the worker for a moment; after that, output is dropped. A session with a callback
// has only one request under way at a time, besides streams and calls whose handlers wait for this program, or if the
// worker has coroutines; while there are several, lines belong to none.
//
// The session's destructor hands it the remaining lines for up to a second, and waits up to five seconds for it to
// return. Meanwhile it may still use the session, whose calls throw SessionClosed. What it refers to must live as long
// as it runs.
using OutputCallback = std::function<void(const OutputLine&)>;

using Output = std::variant<InheritOutput, DiscardOutput, OutputFile, OutputCallback>;

}  // namespace tr
