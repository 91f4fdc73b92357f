#pragma once

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <string>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/environment_posix.h"
#include "tech_renaissance/detail/system/open_folder.h"

namespace tr::detail {

// A small file that can be locked with flock. The constructor throws std::system_error; the members throw LaunchError
// launch_failed for errors of the system.
class LockedDescriptor {
public:
    enum class Make { if_missing, never };

    // If the file is created, only its user can read and write it. Refuses links and anything but a regular file.
    LockedDescriptor(const OpenFolder& folder, const std::string& name, Make make)
        : descriptor_(opened(folder, name, make)) {
        if (!descriptor_) throw_file_error(errno, "open", folder.path() / name);
        if (!S_ISREG(status().st_mode)) refuse_file(EINVAL, "lock what is not a regular file:", folder.path() / name);
        try {
            move_above_standard_streams(descriptor_);
        } catch (const std::exception&) {
            discard(folder, name);
            throw;
        }
    }
    LockedDescriptor(LockedDescriptor&&) noexcept = default;
    LockedDescriptor& operator=(LockedDescriptor&&) = delete;
    // A fork shares its parent's lock and must not release it.
    ~LockedDescriptor() {
        if (descriptor_ && !is_in_fork()) ::flock(descriptor_.get(), LOCK_UN);
    }

    // False if someone else holds the lock.
    bool try_lock() {
        int result = 0;
        do result = ::flock(descriptor_.get(), LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        if (result != 0 && errno != EWOULDBLOCK) throw_os_error("cannot lock a session", errno);
        return result == 0;
    }

    FileIdentity identity() const { return identity_of(status()); }

    // The time since it was last written to.
    std::chrono::seconds age() const { return std::chrono::seconds(::time(nullptr) - status().st_mtime); }

    std::string read() const {
        std::array<char, 32> text{};
        const ssize_t got = ::pread(descriptor_.get(), text.data(), text.size(), 0);
        return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }

    void replace(const std::string& text) {
        const char* what = "cannot write the owner of a session";
        if (!may_reach(text.size())) throw_os_error(what, EFBIG);
        const bool written =
            ::ftruncate(descriptor_.get(), 0) == 0 &&
            ::pwrite(descriptor_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
        if (!written) throw_os_error(what, errno);
    }

    // Whether this process is a fork of the one that opened it.
    bool is_in_fork() const { return owner_ != current_process_id(); }

private:
    static Descriptor opened(const OpenFolder& folder, const std::string& name, Make make) {
        const NoForks no_forks;
        return Descriptor(::openat(folder.descriptor(), name.c_str(), flags(make), 0600));
    }

    // Removes an empty file that nobody else has locked: it is as new as the error that makes it useless.
    void discard(const OpenFolder& folder, const std::string& name) noexcept {
        try {
            const bool is_ours = try_lock() && status().st_size == 0 && folder.identity_at(name) == identity();
            if (is_ours) folder.remove_file(name);
        } catch (const std::exception&) {
        }
    }

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
