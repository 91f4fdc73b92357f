// Names: session ids and tags become file names, so they are checked on both sides. Rules: spec/protocol.md, Names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

constexpr std::size_t max_name_nbytes = 128;

// Whether Windows takes the name for a device: only the text before the first '.' counts, in upper or lower case.
inline bool is_device_name(std::string_view name) {
    constexpr std::string_view devices[] = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"};
    constexpr std::string_view superscripts[] = {"\xC2\xB9", "\xC2\xB2", "\xC2\xB3"};
    std::string stem(name.substr(0, name.find('.')));
    for (char& letter : stem) {
        if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    }
    const auto is = [&stem](std::string_view device) { return stem == device; };
    if (std::any_of(std::begin(devices), std::end(devices), is)) return true;
    if (stem.compare(0, 3, "COM") != 0 && stem.compare(0, 3, "LPT") != 0) return false;
    const std::string port = stem.substr(3);
    if (port.size() == 1) return port[0] >= '0' && port[0] <= '9';
    return std::find(std::begin(superscripts), std::end(superscripts), port) != std::end(superscripts);
}

// What is wrong with the character that text begins with; empty if a name may contain it.
inline std::string defect_of_character(utf8::Decoded character, std::string_view text) {
    constexpr std::u32string_view separators = U"/\\:*?\"<>|,";
    const auto [code_point, nbytes] = character;
    if (nbytes == 0) return "is not UTF-8";
    if (utf8::is_white_space(code_point)) return "contains white space";
    if (!utf8::is_control(code_point) && separators.find(code_point) == separators.npos) return "";
    return "contains " + utf8::for_display(text.substr(0, nbytes)) + ", which no name may contain";
}

// What is wrong with name; empty if it is valid.
inline std::string defect_of_name(std::string_view name) {
    if (name.empty()) return "is empty";
    for (std::string_view rest = name; !rest.empty();) {
        const utf8::Decoded character = utf8::decode(rest);
        std::string defect = defect_of_character(character, rest);
        if (!defect.empty()) return defect;
        rest.remove_prefix(character.nbytes);
    }
    if (name.size() > max_name_nbytes) return "is longer than 128 bytes";
    if (name.front() == '.' || name.front() == '-') return "begins with '.' or '-'";
    if (name.back() == '.') return "ends with '.'";
    if (is_device_name(name)) return "is a device name on Windows";
    return "";
}

// Throws LocalProtocolError "bad_name" unless name is valid. what (such as "tag") is for the message.
inline void check_name(std::string_view name, std::string_view what) {
    const std::string defect = defect_of_name(name);
    if (defect.empty()) return;
    throw LocalProtocolError("bad_name", std::string(what) + " " + utf8::for_display(name) + " " + defect);
}

// Whether tag is reserved for the system: _anything, result_<digits>. REQUIRES: tag is a valid name.
inline bool is_reserved_tag(std::string_view tag) {
    constexpr std::string_view result = "result_";
    if (tag.substr(0, 1) == "_") return true;
    return tag.size() > result.size() && tag.substr(0, result.size()) == result &&
           tag.find_first_not_of("0123456789", result.size()) == std::string_view::npos;
}

// Like check_name, but also refuses reserved tags, with LocalProtocolError "reserved_name".
inline void check_tag_to_send(std::string_view tag) {
    check_name(tag, "tag");
    if (!is_reserved_tag(tag)) return;
    const std::string why = " belongs to the system, as do all tags result_<number> and those that begin with '_'";
    throw LocalProtocolError("reserved_name", "tag " + utf8::for_display(tag) + why);
}

}  // namespace tr::detail
