#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace tr::detail {

constexpr const char* directory_separators = "/";
constexpr char path_separator = ':';
constexpr const char* default_python = "python3";
constexpr const char* virtual_environment_python = "bin/python";

inline std::string with_executable_suffix(const std::string& path) { return path; }

inline bool is_executable(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace tr::detail
