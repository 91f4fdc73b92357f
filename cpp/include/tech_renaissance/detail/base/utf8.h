// UTF-8: one code point at a time, and what the protocol needs to know about one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>

namespace tr::detail::utf8 {

constexpr char32_t replacement_character = 0xFFFD;

struct Decoded {
    char32_t code_point;
    std::size_t nbytes;  // 0: the bytes are not UTF-8
};

inline bool is_surrogate(char32_t code_point) { return code_point >= 0xD800 && code_point <= 0xDFFF; }

// The code point at the beginning of text. REQUIRES: text is not empty.
// Overlong forms, surrogates and anything above U+10FFFF are not UTF-8.
inline Decoded decode(std::string_view text) {
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};  // by length; anything less is an overlong form
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {lead, 1};
    const std::size_t nbytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < nbytes) return {0, 0};
    char32_t code_point = lead & (0x7Fu >> nbytes);
    for (std::size_t i = 1; i < nbytes; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xC0u) != 0x80u) return {0, 0};
        code_point = (code_point << 6) | (next & 0x3Fu);
    }
    if (code_point < least[nbytes] || code_point > 0x10FFFF || is_surrogate(code_point)) return {0, 0};
    return {code_point, nbytes};
}

// REQUIRES: code_point is a Unicode scalar value.
inline void append(std::string& out, char32_t code_point) {
    const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
    if (code_point < 0x80) return put(code_point);
    const int continuations = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
    constexpr char32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
    put(leads[continuations] | (code_point >> (6 * continuations)));
    for (int i = continuations - 1; i >= 0; --i) put(0x80u | ((code_point >> (6 * i)) & 0x3Fu));
}

// The position of the first byte that is not UTF-8; npos if there is none.
inline std::size_t find_invalid(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t nbytes = decode(text.substr(at)).nbytes;
        if (nbytes == 0) return at;
        at += nbytes;
    }
    return std::string_view::npos;
}

// The Unicode property White_Space.
inline bool is_white_space(char32_t code_point) {
    if (code_point >= 0x09 && code_point <= 0x0D) return true;
    if (code_point >= 0x2000 && code_point <= 0x200A) return true;
    constexpr char32_t others[] = {0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    return std::find(std::begin(others), std::end(others), code_point) != std::end(others);
}

inline bool is_control(char32_t code_point) { return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F); }

// Also false for characters that move or hide their neighbours: joiners, direction marks, the byte order mark.
inline bool is_visible(char32_t code_point) {
    const auto is_in = [code_point](char32_t first, char32_t last) {
        return first <= code_point && code_point <= last;
    };
    const bool formats =
        is_in(0x200B, 0x200F) || is_in(0x202A, 0x202E) || is_in(0x2060, 0x206F) || is_in(0xFEFF, 0xFEFF);
    return !formats && !is_control(code_point) && !is_white_space(code_point);
}

// Any bytes as one line of visible text between quotes, cut after 64 characters.
inline std::string for_display(std::string_view text) {
    std::string shown = "'";
    for (int count = 0; !text.empty(); ++count) {
        if (count == 64) return shown + "'...";
        const auto [code_point, nbytes] = decode(text);
        char escape[16] = "";
        if (nbytes == 0) {
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
        } else if (code_point == '\'' || code_point == '\\') {
            std::snprintf(escape, sizeof escape, "\\%c", static_cast<char>(code_point));
        } else if (code_point != ' ' && !is_visible(code_point)) {
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(code_point));
        }
        const std::size_t consumed = nbytes == 0 ? 1 : nbytes;
        shown += escape[0] != '\0' ? std::string_view(escape) : text.substr(0, consumed);
        text.remove_prefix(consumed);
    }
    return shown + "'";
}

}  // namespace tr::detail::utf8
