// Works out how a worker ended from its exit status and last output, and puts it into words. No I/O.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iomanip>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "tech_renaissance/detail/process/exit_status.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/post_mortem.h"

namespace tr::detail {

inline constexpr std::size_t post_mortem_lines = 20;
inline constexpr std::size_t longest_message = 1000;

// The Python traceback that ended the process, from its stderr; empty if none did. An exception raised while another
// was being handled belongs to the same traceback.
inline std::string last_traceback(std::string_view errors, std::optional<int> status) {
    constexpr std::string_view first_line = "Traceback (most recent call last):";
    constexpr std::string_view links[] = {
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    };
    std::size_t begin = errors.rfind(first_line);
    if (status != 1 || begin == std::string_view::npos) return "";
    while (begin > 0) {
        const std::size_t before = errors.rfind(first_line, begin - 1);
        if (before == std::string_view::npos) break;
        std::string_view between = errors.substr(before, begin - before);
        between = between.substr(0, between.find_last_not_of(" \t\r\n") + 1);
        const std::string_view last_line = between.substr(between.rfind('\n') + 1);
        if (last_line != links[0] && last_line != links[1]) break;
        begin = before;
    }
    return std::string(errors.substr(begin));
}

// What faulthandler wrote about a native fault, to the end of stderr; empty if it wrote nothing.
inline std::string native_fault(std::string_view errors) {
    std::size_t begin = std::string_view::npos;
    for (const std::string_view first_words : {"Fatal Python error: ", "Windows fatal exception: "}) {
        const std::size_t found = errors.rfind(first_words);
        if (found != std::string_view::npos && (begin == std::string_view::npos || found > begin)) begin = found;
    }
    return begin == std::string_view::npos ? "" : std::string(errors.substr(begin));
}

// Cuts a UTF-8 text to at most `longest` characters; a cut text ends with dots.
inline std::string shortened(std::string_view text, std::size_t longest) {
    const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    std::size_t count = 0;
    std::size_t cut = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (continues(text[i])) continue;
        if (count == longest - 3) cut = i;
        if (count++ == longest) return std::string(text.substr(0, cut)) + "...";
    }
    return std::string(text);
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

// The package whose import failed last, by the usual name of its distribution; empty if no import failed.
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

// A number with at most `digits` significant digits.
inline std::string format_number(double value, int digits) {
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out << std::setprecision(digits) << value;
    return out.str();
}

// How long a wait was; one that was to take less than no time took none.
inline std::string format_seconds(std::chrono::milliseconds time) {
    const std::chrono::duration<double> seconds = std::max(time, std::chrono::milliseconds(0));
    return format_number(seconds.count(), 6) + " s";
}

// Whether a Python version such as "3.7.16" is too old for this package. False if the text is not a version.
inline bool is_too_old(std::string_view version) {
    const std::size_t point = version.find('.');
    if (point != 1 || version[0] < '0' || version[0] > '3') return false;
    if (version[0] < '3') return true;
    const std::string_view minor = version.substr(2, version.find_first_not_of("0123456789", 2) - 2);
    return minor.size() == 1 && minor[0] < '8';
}

// What to do about it; empty if unknown.
inline std::string advice(const PostMortem& death) {
    if (death.moment == "starting" && is_too_old(death.python))
        return "The worker's Python is " + death.python +
               ", and tech_renaissance needs 3.8 or later: choose another with the option python or TR_PYTHON";
    if (death.moment == "starting" && death.exit_status == 0 && death.ended_by_host.empty()) {
        if (death.python.empty() && death.output_tail.empty())
            return "Nothing shows that " + death.interpreter +
                   " has run the script: it must be a Python interpreter, and the script must create its server and "
                   "call its run(sys.argv[1])";
        return "The script ended without serving: it must create its server and call its run(sys.argv[1])";
    }
    const std::string package = missing_package(death.output_tail);
    if (package.empty()) return "";
    if (package == "tech-renaissance")  // is in no registry
        return "The worker's interpreter lacks tech_renaissance; in a checkout of the project this installs it: " +
               death.interpreter + " -m pip install .";
    return "The worker's interpreter lacks a package; this installs it: " + death.interpreter + " -m pip install " +
           package;
}

// For people: how it ended, what it was doing, its last lines, and what to do about it.
inline std::string explain(const PostMortem& death) {
    std::string text = describe_exit(death.exit_status);
    if (death.out_of_memory) text += ", most likely by the kernel because memory ran out";
    if (!death.ended_by_host.empty()) text += ", by its host: " + death.ended_by_host;
    if (!death.message.empty())
        text += ", " + format_number(death.running_s, 3) + " s into '" + shortened(death.message, 80) + "'";
    const std::string lines = last_lines(death.output_tail, post_mortem_lines);
    if (!lines.empty()) text += "; its last lines:" + lines;
    const std::string what_to_do = advice(death);
    return what_to_do.empty() ? text : text + "\n" + what_to_do;
}

// The contents of post_mortem.json.
inline json::Object to_json(const PostMortem& death) {
    const auto or_null = [](const auto& number) { return number ? json::Value(*number) : json::Value(); };
    return json::Object{{"pid", death.pid},
                        {"exit_status", or_null(death.exit_status)},
                        {"signal", death.signal},
                        {"moment", death.moment},
                        {"ended_by_host", death.ended_by_host},
                        {"message", death.message},
                        {"running_s", death.running_s},
                        {"traceback", death.traceback},
                        {"stack", death.stack},
                        {"output_tail", death.output_tail},
                        {"memory_peak_nbytes", or_null(death.memory_peak_nbytes)},
                        {"out_of_memory", death.out_of_memory},
                        {"interpreter", death.interpreter},
                        {"python", death.python},
                        {"tech_renaissance", death.tech_renaissance},
                        {"started_at", death.started_at},
                        {"ended_at", death.ended_at}};
}

}  // namespace tr::detail
