#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

// A parameter that takes a std::filesystem::path or, on every platform, a string in UTF-8.
class PathArgument {
public:
    PathArgument(const char* utf8) : path_(to_path(utf8)) {}
    PathArgument(const std::string& utf8) : path_(to_path(utf8)) {}
    PathArgument(std::filesystem::path path) : path_(std::move(path)) {}

    const std::filesystem::path& get() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace tr::detail
