// Paths are UTF-8 strings at every boundary; only this file converts them to the file system's own encoding.
#pragma once

#include <filesystem>
#include <string>

#if defined(_WIN32)
#include "tech_renaissance/detail/system/text_windows.h"
#endif

namespace tr::detail {

#if defined(_WIN32)
inline std::filesystem::path to_path(const std::string& utf8) { return std::filesystem::path(to_utf16(utf8)); }
inline std::string from_path(const std::filesystem::path& path) { return to_utf8(path.wstring()); }
#else
inline std::filesystem::path to_path(const std::string& utf8) { return std::filesystem::path(utf8); }
inline std::string from_path(const std::filesystem::path& path) { return path.string(); }
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
