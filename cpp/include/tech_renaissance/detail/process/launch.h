// How a process is to be started. All text is UTF-8.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/base/launch_failed.h"
#include "tech_renaissance/detail/system/handle.h"
#include "tech_renaissance/output.h"

namespace tr::detail {

class OutputGiver;

struct Launch {
    std::vector<std::string> argv;  // argv[0] is the path of the executable; PATH is not searched
    Environment environment;  // complete: only TR_HOST_PID, TR_LIFELINE, TR_INTERRUPT and inherited_variable are added
    std::string working_directory;  // empty: the host's
    Output output;
    // Descriptors of ours that the child gets (handles on Windows), at most max_inherited (descriptor_posix.h), and the
    // variable that lists their numbers, separated by commas.
    std::string inherited_variable = {};
    std::vector<SharedHandle> inherited = {};
    // Gives the output of the process before, if a callback gets it by lines: only one process at a time calls it.
    std::shared_ptr<OutputGiver> lines_before = nullptr;
};

inline void check_c_string(const std::string& text) {
    if (text.find('\0') != std::string::npos) throw_launch_failed("an argument or variable contains a NUL character");
}

// What the error says that the system refused.
inline std::string cannot_start(const Launch& launch, const std::string& executable) {
    const std::string& directory = launch.working_directory;
    return "cannot start '" + executable + (directory.empty() ? "'" : "' in '" + directory + "'");
}

// Refuses whatever no operating system could pass on unchanged.
inline void check_launch(const Launch& launch) {
    if (launch.argv.empty()) throw_launch_failed("no executable to start");
    for (const std::string& argument : launch.argv) check_c_string(argument);
    for (const auto& [name, value] : launch.environment) {
        if (name.empty() || name.find('=') != std::string::npos) {
            throw_launch_failed("'" + name + "' is not a valid name for an environment variable");
        }
        check_c_string(name);
        check_c_string(value);
    }
}

}  // namespace tr::detail
