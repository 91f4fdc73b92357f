#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Whether the stack can be had without the help of Python code.
inline constexpr bool can_insist = true;

// The file that a worker writes its stacks into. Since it may have been replaced, only a regular file with a single
// name is touched.
class StackFile {
public:
    explicit StackFile(const std::filesystem::path& path)
        : file_(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {
        struct stat status{};
        if (file_ && ::fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1) return;
        file_.close();
    }

    bool is_open() const noexcept { return static_cast<bool>(file_); }
    bool clear() const noexcept { return ::ftruncate(file_.get(), 0) == 0; }
    bool ask() const noexcept { return clear() && may_reach(1) && ::pwrite(file_.get(), "?", 1, 0) == 1; }

    std::int64_t nbytes() const noexcept {
        struct stat status{};
        return ::fstat(file_.get(), &status) == 0 ? status.st_size : 0;
    }

    // The first bytes, at most text.size().
    void read(std::string& text) const {
        const ssize_t got = ::pread(file_.get(), text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    }

    // Why the last of these has failed.
    static std::string error() { return std::generic_category().message(errno); }

private:
    Descriptor file_;
};

}  // namespace tr::detail
