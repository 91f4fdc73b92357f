// Where in a value something stands, found out from the JSON before it. So nothing keeps account of it until it is
// asked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/detail/protocol/json.h"

namespace tr::detail {

inline constexpr std::size_t most_shown_steps = 8;
inline constexpr std::size_t longest_body_text = std::size_t{64} << 20;
inline constexpr int deepest_body_level = 64;

inline std::string nested_too_deeply() {
    return "is nested deeper than " + std::to_string(deepest_body_level) + " levels";
}

inline bool is_plain_name(std::string_view name) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return !name.empty() && name.find_first_not_of(letters) == std::string_view::npos &&
           (name[0] < '0' || name[0] > '9');
}

// How far a list or dict has been read.
struct PathLevel {
    bool is_dict = false;
    std::size_t index = 0;
    std::string key;
    bool has_key = false;

    std::string step() const {
        if (is_dict && !has_key) return "";
        if (!is_dict) return "[" + std::to_string(index) + "]";
        if (is_plain_name(key)) return "." + key;
        std::string quoted;
        json::write_string(quoted, key);
        return "[" + quoted + "]";
    }
};

inline std::size_t end_of_string(std::string_view json, std::size_t begin) {
    std::size_t at = begin + 1;
    while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2u : 1u;
    return at < json.size() ? at + 1 : json.size();
}

inline std::string path_key(std::string_view quoted) {
    const json::Value parsed = json::parse(quoted);
    const std::string& key = *parsed.get_if<std::string>();
    return key.substr(0, 2) == "$$" ? key.substr(1) : key;
}

inline std::vector<PathLevel> path_levels(std::string_view json) {
    std::vector<PathLevel> levels;
    std::string_view last_string;
    for (std::size_t at = 0; at < json.size(); ++at) {
        const char next = json[at];
        if (next == '[' || next == '{') {
            levels.emplace_back();
            levels.back().is_dict = next == '{';
        } else if (next == '"') {
            const std::size_t end = end_of_string(json, at);
            last_string = json.substr(at, end - at);
            at = end - 1;
        } else if (next == ']' || next == '}') {
            levels.pop_back();
        } else if (next == ',' && !levels.empty()) {
            ++levels.back().index;
            levels.back().has_key = false;
        } else if (next == ':') {
            levels.back().key = path_key(last_string);
            levels.back().has_key = true;
        }
    }
    return levels;
}

// Where the first bracket stands that has so many levels around it; npos if there is none.
// REQUIRES: json is well-formed.
inline std::size_t find_level(std::string_view json, int levels) {
    for (std::size_t at = 0; at < json.size(); ++at) {
        const char next = json[at];
        if (next == '"') {
            at = end_of_string(json, at) - 1;
        } else if (next == '[' || next == '{') {
            if (levels-- == 0) return at;
        } else if (next == ']' || next == '}') {
            ++levels;
        }
    }
    return std::string_view::npos;
}

// The path of what comes after `json`, the beginning of a JSON text: "layers[2].width". Empty for the whole value. The
// arguments of a call are called args[0], or by their names.
// REQUIRES: json is well-formed, as far as it goes.
inline std::string path_after(std::string_view json, Body::Role role) {
    const std::vector<PathLevel> levels = path_levels(json);
    std::string path;
    std::size_t first = 0;
    if (role == Body::Role::Call && !levels.empty()) {
        first = 1;
        if (levels[0].index == 0) path = "args";
    }
    const std::size_t end = std::min(levels.size(), first + most_shown_steps);
    for (std::size_t i = first; i < end; ++i) path += levels[i].step();
    if (end < levels.size()) path += "...";
    return path.substr(0, 1) == "." ? path.substr(1) : path;
}

}  // namespace tr::detail
