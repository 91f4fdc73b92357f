// Which Python a worker runs on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
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

// Finds a command as a shell would: a path is taken as it is, a bare name is looked up on PATH. Empty if there is no
// such executable.
inline std::string find_executable(const std::string& command, const Environment& environment) {
    if (command.find_first_of(directory_separators) != std::string::npos) {
        std::string path = with_executable_suffix(absolute_path(command));
        return is_executable(path) ? path : "";
    }
    const std::string directories = variable(environment, "PATH") + path_separator;
    for (std::size_t begin = 0, end = 0; (end = directories.find(path_separator, begin)) != std::string::npos;
         begin = end + 1) {
        if (begin == end) continue;  // an empty entry would mean the current directory, which nobody intends
        const std::string directory = absolute_path(directories.substr(begin, end - begin));
        std::string path = with_executable_suffix(from_path(to_path(directory) / to_path(command)));
        if (is_executable(path)) return path;
    }
    return "";
}

// In order of preference. If the user named an interpreter, there is no alternative to it.
inline std::vector<std::string> interpreter_choices(const std::string& option, const Environment& environment) {
    if (!option.empty()) return {option};
    const std::string wish = variable(environment, "TR_PYTHON");
    if (!wish.empty()) return {wish};
    std::vector<std::string> choices;
    const std::string active = variable(environment, "VIRTUAL_ENV");
    if (!active.empty()) choices.push_back(from_path(to_path(active) / to_path(virtual_environment_python)));
    choices.push_back(default_python);
    return choices;
}

// `option` if not empty, else TR_PYTHON, else the active virtual environment, else the system's Python on PATH, as an
// absolute path. Throws LaunchError interpreter_not_found.
inline std::string find_interpreter(const std::string& option, const Environment& environment) {
    std::string tried;
    for (const std::string& choice : interpreter_choices(option, environment)) {
        std::string path = find_executable(choice, environment);
        if (!path.empty()) return path;
        tried += (tried.empty() ? "'" : " or '") + choice + "'";
    }
    throw LaunchError("interpreter_not_found", "there is no Python interpreter " + tried +
                                                   ": set the option python, or TR_PYTHON, to the path of one");
}

// The version in a file's name, as in python3.11 and Python311; empty if there is none.
inline std::string version_in(const std::string& name) {
    constexpr std::string_view word = "python";
    const auto is_digit = [&name](std::size_t at) { return at < name.size() && name[at] >= '0' && name[at] <= '9'; };
    const auto same_letter = [](char a, char b) { return (a | 0x20) == b; };
    const auto found = std::search(name.begin(), name.end(), word.begin(), word.end(), same_letter);
    if (found == name.end()) return "";
    std::size_t major = static_cast<std::size_t>(found - name.begin()) + word.size();
    if (major < name.size() && name[major] == '-') ++major;
    std::size_t minor = major + 1;
    if (minor < name.size() && name[minor] == '.') ++minor;
    if (!is_digit(major) || !is_digit(minor)) return "";
    std::size_t end = minor;
    while (is_digit(end)) ++end;
    return name.substr(major, 1) + "." + name.substr(minor, end - minor);
}

// The version in an interpreter's name or its folder's; empty if there is none. For an interpreter that died before it
// could report its version.
inline std::string named_version(const std::string& interpreter) {
    std::error_code ignored;
    const std::filesystem::path path = std::filesystem::weakly_canonical(to_path(interpreter), ignored);
    const std::string version = version_in(from_path(path.filename()));
    return version.empty() ? version_in(from_path(path.parent_path().filename())) : version;
}

}  // namespace tr::detail
