#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

constexpr const char* directory_separators = "/\\:";
constexpr char path_separator = ';';
constexpr const char* default_python = "python";
constexpr const char* virtual_environment_python = "Scripts\\python.exe";

inline std::string with_executable_suffix(const std::string& path) {
    return to_path(path).has_extension() ? path : path + ".exe";
}

inline bool is_executable(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(to_path(path), ignored);
}

}  // namespace tr::detail
