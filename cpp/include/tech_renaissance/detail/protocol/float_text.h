// Doubles as JSON text and back, whatever the program's locale. The text of a double has a point or an exponent, and
// reading it gives the same double.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "tech_renaissance/detail/protocol/json.h"

namespace tr::detail {

// Both for standard libraries whose <charconv> has no floating-point numbers. Slow.
inline std::string write_double_by_stream(double value) { return json::Number(value).text(); }
inline double read_double_by_stream(std::string_view text) { return json::Number::from_text(text).as_double(); }

// REQUIRES: value is finite.
inline void append_double(std::string& out, double value) {
    const std::size_t begin = out.size();
#ifdef __cpp_lib_to_chars
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
#else
    out += write_double_by_stream(value);
#endif
    if (out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

// The nearest double; infinity beyond the range of double. REQUIRES: text is a JSON number.
inline double read_double(std::string_view text) {
#ifdef __cpp_lib_to_chars
    double value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // What is out of range may also be close to zero.
    if (error == std::errc() && stop == text.data() + text.size()) return value;
#endif
    return read_double_by_stream(text);
}

}  // namespace tr::detail
