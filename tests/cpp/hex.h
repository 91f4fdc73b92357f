// Bytes as hexadecimal digits and back, for what travels in lines of JSON.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

inline std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        unsigned byte = 0;
        std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        bytes.push_back(static_cast<char>(byte));
    }
    return bytes;
}

inline std::string to_hex(std::string_view bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        (hex += digits[byte >> 4]) += digits[byte & 0xF];
    }
    return hex;
}
