// What the exit status of a process means on Windows. A process that an exception ended has the exception's code, which
// is negative as a signed number.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace tr::detail {

inline std::string exception_code(int status) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08X", static_cast<unsigned>(status));
    return text.data();
}

// The name of the exception that an exit status stands for; empty if it is not an exception's.
inline std::string signal_of(std::optional<int> status) {
    struct Name {
        std::uint32_t code;
        std::string_view name;
    };
    static constexpr Name names[] = {
        {0x80000003, "breakpoint"},
        {0xC0000005, "access violation"},
        {0xC0000006, "page read error"},
        {0xC0000017, "out of memory"},
        {0xC000001D, "illegal instruction"},
        {0xC0000025, "exception that cannot be continued"},
        {0xC000008C, "array index out of bounds"},
        {0xC000008E, "floating-point division by zero"},
        {0xC0000094, "integer division by zero"},
        {0xC0000095, "integer overflow"},
        {0xC0000096, "privileged instruction"},
        {0xC00000FD, "stack overflow"},
        {0xC0000135, "missing DLL"},
        {0xC0000138, "function missing in a DLL"},
        {0xC0000139, "function missing in a DLL"},
        {0xC000013A, "Ctrl+C"},
        {0xC0000142, "failure to start a DLL"},
        {0xC0000374, "heap corruption"},
        {0xC0000409, "fail-fast exit"},
        {0xC0000420, "failed assertion"},
        {0xE06D7363, "C++ exception"},
    };
    if (!status || *status >= 0) return "";
    const auto code = static_cast<std::uint32_t>(*status);
    for (const Name& name : names) {
        if (name.code == code) return std::string(name.name);
    }
    // Codes of errors, as programs of Microsoft's own have them.
    return code >= 0xC0000000 && code <= 0xCFFFFFFF ? "exception " + exception_code(*status) : "";
}

// An exit status in words.
inline std::string describe_exit(std::optional<int> status) {
    if (!status) return "its exit status is unknown";
    const std::string name = signal_of(status);
    if (name.empty()) return "exit status " + std::to_string(*status);
    if (name.rfind("exception 0", 0) == 0) return name;
    return "exception " + exception_code(*status) + " (" + name + ")";
}

}  // namespace tr::detail
