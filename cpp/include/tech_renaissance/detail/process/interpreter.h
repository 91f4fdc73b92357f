// Which Python a worker runs on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/error.h"

#if defined(_WIN32)
#include "tech_renaissance/detail/process/interpreter_windows.h"
#else
#include "tech_renaissance/detail/process/interpreter_posix.h"
#endif

namespace tr::detail {

// A command as a shell would find it: a path as it is, a bare name on PATH. Empty where there is no such executable.
inline std::string find_executable(const std::string& command, const Environment& environment) {
    if (command.find_first_of(directory_separators) != std::string::npos) {
        std::string path = with_executable_suffix(absolute_path(command));
        return is_executable(path) ? path : "";
    }
    const std::string directories = variable(environment, "PATH") + path_separator;
    for (std::size_t begin = 0, end = 0; (end = directories.find(path_separator, begin)) != std::string::npos;
         begin = end + 1) {
        if (begin == end) continue;  // an empty entry would mean the current directory: nobody intends that
        const std::string directory = absolute_path(directories.substr(begin, end - begin));
        std::string path = with_executable_suffix(from_path(to_path(directory) / to_path(command)));
        if (is_executable(path)) return path;
    }
    return "";
}

struct InterpreterChoice {
    std::string source;
    std::string command;
};

// In order of preference. What the user asked for by name has no substitute.
inline std::vector<InterpreterChoice> interpreter_choices(const std::string& option, const Environment& environment) {
    if (!option.empty()) return {{"SessionOptions.python", option}};
    const std::string wish = variable(environment, "TR_PYTHON");
    if (!wish.empty()) return {{"TR_PYTHON", wish}};
    std::vector<InterpreterChoice> choices;
    const std::string active = variable(environment, "VIRTUAL_ENV");
    if (!active.empty())
        choices.push_back({"VIRTUAL_ENV", from_path(to_path(active) / to_path(virtual_environment_python))});
    choices.push_back({"PATH", default_python});
    return choices;
}

// `option` if not empty, else TR_PYTHON, else the active virtual environment, else the system's Python on PATH, as an
// absolute path. Throws LaunchError interpreter_not_found.
inline std::string find_interpreter(const std::string& option, const Environment& environment) {
    std::string tried;
    for (const InterpreterChoice& choice : interpreter_choices(option, environment)) {
        std::string path = find_executable(choice.command, environment);
        if (!path.empty()) return path;
        tried += (tried.empty() ? "'" : ", '") + choice.command + "' (" + choice.source + ")";
    }
    throw LaunchError("interpreter_not_found",
                      "no Python found: tried " + tried +
                          "; set TR_PYTHON or SessionOptions.python to the path of a Python executable");
}

}  // namespace tr::detail
