// Paths are UTF-8 strings at every boundary; only this file converts them to the file system's own encoding.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#if defined(_WIN32)
#include "tech_renaissance/detail/system/text_windows.h"
#endif

namespace tr::detail {

// The longest name of a file in a session directory: a tag of 128 characters, what makes it a temporary one, and the
// separator.
inline constexpr std::size_t file_name_length = 170;
// The longest name that a file system allows, with its separator. Others may put what they like into a folder.
inline constexpr std::size_t any_name_length = 256;

#if defined(_WIN32)
inline std::filesystem::path to_path(const std::string& utf8) { return std::filesystem::path(to_utf16(utf8)); }
inline std::string from_path(const std::filesystem::path& path) { return to_utf8(path.wstring()); }

// A folder's absolute path, in the extended form (\\?\) if a path with `room` more characters would be too long
// without.
inline std::filesystem::path with_room(const std::filesystem::path& folder, std::size_t room) {
    const std::wstring path = std::filesystem::path(folder).make_preferred().wstring();
    if (path.size() + room < MAX_PATH || path.rfind(LR"(\\?\)", 0) == 0) return folder;
    const bool is_share = path.rfind(LR"(\\)", 0) == 0;
    return is_share ? LR"(\\?\UNC\)" + path.substr(2) : LR"(\\?\)" + path;
}

// A path for messages, as users know it: not in extended form.
inline std::string shown_path(const std::filesystem::path& path) {
    const std::string text = from_path(path);
    if (text.rfind(R"(\\?\UNC\)", 0) == 0) return R"(\\)" + text.substr(8);
    return text.rfind(R"(\\?\)", 0) == 0 ? text.substr(4) : text;
}
#else
inline std::filesystem::path to_path(const std::string& utf8) { return std::filesystem::path(utf8); }
inline std::string from_path(const std::filesystem::path& path) { return path.string(); }
// The path itself; the longest path is the file system's affair.
inline std::filesystem::path with_room(const std::filesystem::path& folder, std::size_t) { return folder; }
inline std::string shown_path(const std::filesystem::path& path) { return path.string(); }
#endif

// Does not resolve links, because a virtual environment is recognised by the path of its interpreter's link.
inline std::string absolute_path(const std::string& path) {
    return from_path(std::filesystem::absolute(to_path(path)));
}

inline bool is_directory(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(to_path(path), ignored);
}

inline bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(to_path(path), ignored);
}

}  // namespace tr::detail
