// How a process is to be started. All text is UTF-8.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../error.h"

namespace tr {

using Environment = std::map<std::string, std::string>;

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

namespace detail {

struct Launch {
    std::vector<std::string> argv;  // argv[0] is the path of the executable; PATH is not searched
    Environment environment;        // complete: nothing is added but TR_HOST_PID, TR_LIFELINE and inherited_variable
    std::string working_directory;  // empty: the host's
    Output output;
    // POSIX: descriptors of ours that the child gets, at most max_inherited, and the variable that tells it their
    // numbers, separated by commas.
    std::string inherited_variable = {};
    std::vector<int> inherited = {};
};

constexpr int max_inherited = 4;

[[noreturn]] inline void throw_launch_failed(const std::string& why) { throw LaunchError("launch_failed", why); }

inline void check_c_string(const std::string& text) {
    if (text.find('\0') != std::string::npos) throw_launch_failed("an argument or variable contains a NUL character");
}

// Refuses what no operating system could pass on unchanged.
inline void check_launch(const Launch& launch) {
    if (launch.argv.empty()) throw_launch_failed("no executable to start");
    for (const std::string& argument : launch.argv) check_c_string(argument);
    for (const auto& [name, value] : launch.environment) {
        if (name.empty() || name.find('=') != std::string::npos) {
            throw_launch_failed("'" + name + "' is no name for an environment variable");
        }
        check_c_string(name);
        check_c_string(value);
    }
}

}  // namespace detail
}  // namespace tr
