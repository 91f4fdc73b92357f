// What a worker's command line consists of, and what is allowed in it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// A worker's command line without its interpreter.
struct CommandLine {
    std::string script_path;
    std::string session_id;
    std::vector<std::string> python_arguments;
    std::vector<std::string> arguments;
};

// Throws LaunchError script_not_found.
inline std::vector<std::string> whole_command_line(const std::string& interpreter, const CommandLine& line) {
    std::vector<std::string> argv{interpreter};
    argv.insert(argv.end(), line.python_arguments.begin(), line.python_arguments.end());
    if (line.script_path == "default") {
        argv.insert(argv.end(), {"-m", "tech_renaissance.default_server"});
    } else {
        argv.push_back(absolute_path(line.script_path));
        if (!std::filesystem::is_regular_file(to_path(argv.back())))
            throw LaunchError("script_not_found", "there is no worker script '" + argv.back() + "'");
    }
    argv.push_back(line.session_id);
    argv.insert(argv.end(), line.arguments.begin(), line.arguments.end());
    return argv;
}

// Throws LocalProtocolError bad_option, which names the option, for arguments that no operating system can pass on.
inline void check_arguments(const std::string& option, const std::vector<std::string>& arguments) {
    for (const std::string& argument : arguments) {
        if (argument.find('\0') == std::string::npos) continue;
        throw LocalProtocolError("bad_option",
                                 option + ": " + utf8::for_display(argument) + " cannot be passed to a process");
    }
}

// Throws LocalProtocolError bad_option for variables that no operating system can pass on.
inline void check_environment(const Environment& variables) {
    for (const auto& [name, value] : variables) {
        if (!name.empty() && (name + value).find('\0') == std::string::npos && name.find('=') == std::string::npos)
            continue;
        throw LocalProtocolError("bad_option", "environment: " + utf8::for_display(name) +
                                                   " cannot be a variable of a process: its name is not empty and has "
                                                   "no '=', and neither has a NUL");
    }
}

// Whether the next argument is the value of this option of the interpreter. Throws as check_python_arguments does.
inline bool takes_next_argument(const std::string& option) {
    if (option.rfind("--", 0) == 0) return option == "--check-hash-based-pycs";
    if (option.size() < 2 || option[0] != '-') {
        throw LocalProtocolError("bad_option", "python_arguments stand before the script and begin with '-', unlike '" +
                                                   option + "'; 'arguments' come after it");
    }
    for (std::size_t i = 1; i < option.size(); ++i) {
        if (option[i] == 'c' || option[i] == 'm') {
            throw LocalProtocolError("bad_option",
                                     "python_arguments: '" + option + "' would run something other than the worker");
        }
        if (option[i] == 'X' || option[i] == 'W') return i + 1 == option.size();
    }
    return false;
}

// Throws LocalProtocolError bad_option unless these are options that go before the script and do not replace it.
inline void check_python_arguments(const std::vector<std::string>& arguments) {
    check_arguments("python_arguments", arguments);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (!takes_next_argument(arguments[i])) continue;
        ++i;
        if (i == arguments.size())
            throw LocalProtocolError("bad_option", "python_arguments: '" + arguments.back() + "' has no value");
    }
}

}  // namespace tr::detail
