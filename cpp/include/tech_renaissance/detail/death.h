// What a worker's death means, in words: its exit status and the advice that fits its last lines.
#pragma once

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>

namespace tr::detail {

inline constexpr std::size_t post_mortem_lines = 20;

// Names of the signals that end processes; others are told by number.
inline std::string_view signal_name(int number) {
    switch (number) {
        case SIGABRT: return "SIGABRT";
        case SIGFPE: return "SIGFPE";
        case SIGILL: return "SIGILL";
        case SIGINT: return "SIGINT";
        case SIGSEGV: return "SIGSEGV";
        case SIGTERM: return "SIGTERM";
#if !defined(_WIN32)
        case SIGBUS: return "SIGBUS";
        case SIGHUP: return "SIGHUP";
        case SIGKILL: return "SIGKILL";
        case SIGPIPE: return "SIGPIPE";
        case SIGQUIT: return "SIGQUIT";
        case SIGXCPU: return "SIGXCPU";
#endif
        default: return "";
    }
}

// An exit status as a person reads it; negative is a signal.
inline std::string describe_exit(int status) {
    if (status >= 0) return "exit status " + std::to_string(status);
    const std::string_view name = signal_name(-status);
    return "signal " + std::to_string(-status) + (name.empty() ? "" : " (" + std::string(name) + ")");
}

// The last lines of a text, indented.
inline std::string last_lines(std::string_view text, std::size_t count) {
    const std::size_t end = text.find_last_not_of(" \t\r\n");
    text = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
    std::size_t begin = text.size();
    for (; count > 0 && begin > 0; --count) {
        const std::size_t previous = text.rfind('\n', begin - 1);
        begin = previous == std::string_view::npos ? 0 : previous;
    }
    if (begin > 0) ++begin;
    std::string lines;
    while (begin < text.size()) {
        const std::size_t line_end = std::min(text.find('\n', begin), text.size());
        lines += "\n    " + std::string(text.substr(begin, line_end - begin));
        begin = line_end + 1;
    }
    return lines;
}

// Name of the package that an import last failed for, as its distribution is usually called; empty if none did.
inline std::string missing_package(std::string_view output) {
    constexpr std::string_view phrase = "No module named ";
    const std::size_t found = output.rfind(phrase);
    if (found == std::string_view::npos) return "";
    std::string_view rest = output.substr(found + phrase.size());
    if (!rest.empty() && rest.front() == '\'') rest.remove_prefix(1);
    std::string name(rest.substr(0, rest.find_first_of(".'; \r\n")));
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

// The exit status, the last lines of output, and what to do about it.
inline std::string explain_death(int status, std::string_view output_tail, const std::string& interpreter) {
    std::string text = describe_exit(status);
    const std::string lines = last_lines(output_tail, post_mortem_lines);
    if (!lines.empty()) text += "; its last lines:" + lines;
    const std::string package = missing_package(output_tail);
    if (!package.empty()) {
        text += "\nThe worker's interpreter lacks a package; this installs it: " + interpreter + " -m pip install " +
                package;
    }
    return text;
}

}  // namespace tr::detail
