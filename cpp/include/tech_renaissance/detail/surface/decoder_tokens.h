// How a Decoder reads the JSON of a body: words, numbers and strings.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "tech_renaissance/config.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/protocol/float_text.h"

namespace tr {

TR_INLINE void Decoder::skip_white_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++position_;
}

TR_INLINE bool Decoder::skip_character(char expected) {
    skip_white_space();
    if (peek() != expected) return false;
    ++position_;
    return true;
}

TR_INLINE void Decoder::expect_word(std::string_view word) {
    if (text_.substr(position_, word.size()) != word) fail_json("no value");
    position_ += word.size();
}

TR_INLINE void Decoder::skip_digits() {
    if (peek() < '0' || peek() > '9') fail_json("no digit");
    while (peek() >= '0' && peek() <= '9') ++position_;
}

TR_INLINE std::string_view Decoder::number_token(bool& is_int) {
    const std::size_t begin = position_;
    if (peek() == '-') ++position_;
    if (peek() == '0') {
        ++position_;
    } else {
        skip_digits();
    }
    is_int = true;
    if (peek() == '.') {
        is_int = false;
        ++position_;
        skip_digits();
    }
    if (peek() == 'e' || peek() == 'E') {
        is_int = false;
        ++position_;
        if (peek() == '+' || peek() == '-') ++position_;
        skip_digits();
    }
    return text_.substr(begin, position_ - begin);
}

TR_INLINE std::int64_t Decoder::parse_int(std::string_view token) const {
    std::int64_t value = 0;
    const std::errc error = std::from_chars(token.data(), token.data() + token.size(), value).ec;
    if (error != std::errc()) fail_value("an int that does not fit 64 bits");
    return value;
}

TR_INLINE double Decoder::parse_float(std::string_view token) const {
    const double value = detail::read_double(token);
    if (std::isinf(value)) fail_value("a float that is too large");
    return value;
}

TR_INLINE void Decoder::parse_string(std::string& value) {
    ++position_;  // the quote
    value.clear();
    has_surrogate_ = false;
    std::size_t begin = position_;
    for (;;) {
        const auto next = static_cast<unsigned char>(peek());
        if (next >= 0x20 && next < 0x80 && next != '"' && next != '\\') {
            ++position_;
        } else if (next >= 0x80) {
            const std::size_t nbytes = detail::utf8::decode(text_.substr(position_)).nbytes;
            if (nbytes == 0) fail_json("a byte that is not UTF-8");
            position_ += nbytes;
        } else if (next == '"') {
            value.append(text_, begin, position_++ - begin);
            if (has_surrogate_) fail_value("a surrogate in a string");
            return;
        } else if (next == '\\') {
            value.append(text_, begin, position_++ - begin);
            parse_escape(value);
            begin = position_;
        } else {
            fail_json(position_ == text_.size() ? "a string that does not end" : "a control character in a string");
        }
    }
}

TR_INLINE void Decoder::parse_escape(std::string& value) {
    constexpr std::string_view escapes = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char escape = peek();
    if (escape != 'u') {
        const std::size_t which = escapes.find(escape);
        if (which == std::string_view::npos) fail_json("an unknown escape");
        ++position_;
        value.push_back(meanings[which]);
        return;
    }
    char32_t code_point = parse_hexadecimal();
    if (detail::utf8::is_surrogate(code_point)) {
        const bool has_second = code_point < 0xDC00 && text_.substr(position_, 2) == "\\u";
        if (has_second) ++position_;
        const char32_t second = has_second ? parse_hexadecimal() : 0;
        if (second < 0xDC00 || second > 0xDFFF) {
            has_surrogate_ = true;
            return;
        }
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (second - 0xDC00);
    }
    detail::utf8::append(value, code_point);
}

// Reads the u and what follows it.
TR_INLINE char32_t Decoder::parse_hexadecimal() {
    const std::string_view digits = text_.substr(++position_, 4);
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value, 16);
    if (digits.size() != 4 || error != std::errc() || stop != end) fail_json("no four hexadecimal digits");
    position_ += 4;
    return value;
}

}  // namespace tr
