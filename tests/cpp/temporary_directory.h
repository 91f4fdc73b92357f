// A new empty directory for a test, removed after it.
#pragma once

#include <filesystem>
#include <random>
#include <string>

class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::random_device random;
        do path_ = std::filesystem::temp_directory_path() / ("tr_test_" + std::to_string(random()));
        while (!std::filesystem::create_directory(path_));
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string path() const { return path_.string(); }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};
