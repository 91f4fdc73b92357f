#pragma once

#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/environment_posix.h"

namespace tr::detail {

// A small file that can be locked with flock. Errors of the system are LaunchError launch_failed.
class LockedDescriptor {
public:
    enum class Make { if_missing, never };

    // A file that is made is readable and writable for its user alone. Refuses links and what is no file.
    explicit LockedDescriptor(const std::string& path, Make make = Make::if_missing)
        : descriptor_(::open(path.c_str(), flags(make), 0600)) {
        if (!descriptor_) throw_os_error("cannot open '" + path + "'", errno);
        if (!S_ISREG(status().st_mode)) throw_launch_failed("'" + path + "' is not a file");
    }
    LockedDescriptor(LockedDescriptor&&) noexcept = default;
    LockedDescriptor& operator=(LockedDescriptor&&) = delete;
    // A fork shares the lock: it must not give up what is its parent's.
    ~LockedDescriptor() {
        if (descriptor_ && owner_ == current_process_id()) ::flock(descriptor_.get(), LOCK_UN);
    }

    // False when another holds the lock.
    bool try_lock() {
        int result = 0;
        do result = ::flock(descriptor_.get(), LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        if (result != 0 && errno != EWOULDBLOCK) throw_os_error("cannot lock a session", errno);
        return result == 0;
    }

    bool is_at(const std::string& path) const {
        struct stat there{};
        if (::lstat(path.c_str(), &there) != 0) return false;
        const struct stat here = status();
        return here.st_dev == there.st_dev && here.st_ino == there.st_ino;
    }

    std::string read() const {
        std::array<char, 32> text{};
        const ssize_t got = ::pread(descriptor_.get(), text.data(), text.size(), 0);
        return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }

    void replace(const std::string& text) {
        const bool written =
            ::ftruncate(descriptor_.get(), 0) == 0 &&
            ::pwrite(descriptor_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
        if (!written) throw_os_error("cannot write the owner of a session", errno);
    }

    void remove(const std::string& path) {
        if (owner_ == current_process_id() && is_at(path)) ::unlink(path.c_str());
    }

private:
    static int flags(Make make) {
        return O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (make == Make::if_missing ? O_CREAT : 0);
    }

    struct stat status() const {
        struct stat here{};
        if (::fstat(descriptor_.get(), &here) != 0) throw_os_error("cannot look at a session's lock", errno);
        return here;
    }

    Descriptor descriptor_;
    std::int64_t owner_ = current_process_id();
};

}  // namespace tr::detail
