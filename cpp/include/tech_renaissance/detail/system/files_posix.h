// Files on POSIX. The contract is in files.h.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/file_trust.h"
#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

// Some systems refuse to read or write more than 2 GiB at once.
inline constexpr std::size_t max_io_nbytes = std::size_t{1} << 30;

[[noreturn]] inline void throw_file_error(int error, const char* what, const std::filesystem::path& path) {
    throw std::system_error(error, std::generic_category(), std::string("cannot ") + what + " " + from_path(path));
}

[[noreturn]] inline void refuse_file(int error, const char* what, const std::filesystem::path& path) {
    throw RefusedFile(error, std::generic_category(), std::string("cannot ") + what + " " + from_path(path));
}

// Repeats a call that a signal interrupted.
template <class Call>
auto uninterrupted(Call&& call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

class InputFile {
public:
    explicit InputFile(const std::filesystem::path& path, Trust trust = Trust::full)
        : path_(path), file_(open(path, trust)) {
        struct stat status{};
        if (!file_ && (errno == ELOOP || errno == EMLINK || errno == ENXIO)) refuse_file(errno, "open", path_);
        if (!file_ || ::fstat(file_.get(), &status) != 0) throw_file_error(errno, "open", path_);
        if (S_ISDIR(status.st_mode)) refuse_file(EISDIR, "open", path_);
        if (!S_ISREG(status.st_mode)) refuse_file(EINVAL, "open what is not a regular file:", path_);
        length_ = static_cast<std::uint64_t>(status.st_size);
        const std::uint64_t present = static_cast<std::uint64_t>(status.st_blocks) * block_nbytes;
        if (trust == Trust::none && length_ > present + most_absent_nbytes)
            refuse_file(EFBIG, "believe the length of", path_);
    }

    std::uint64_t length() const noexcept { return length_; }

    std::size_t read(std::int64_t offset, void* into, std::size_t nbytes) const {
        auto* bytes = static_cast<std::byte*>(into);
        std::size_t done = 0;
        while (done < nbytes) {
            const std::size_t wanted = std::min(nbytes - done, max_io_nbytes);
            const auto from = static_cast<off_t>(offset) + static_cast<off_t>(done);
            const ssize_t got = uninterrupted([&] { return ::pread(file_.get(), bytes + done, wanted, from); });
            if (got < 0) throw_file_error(errno, "read", path_);
            if (got == 0) break;
            done += static_cast<std::size_t>(got);
        }
        return done;
    }

private:
    static constexpr std::uint64_t block_nbytes = 512;  // the unit of st_blocks on every file system

    // Non-blocking, so that a FIFO in place of a file is refused instead of waited for.
    static int open(const std::filesystem::path& path, Trust trust) {
        const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (trust == Trust::none ? O_NOFOLLOW : 0);
        return uninterrupted([&] { return ::open(path.c_str(), flags); });
    }

    std::filesystem::path path_;
    Descriptor file_;
    std::uint64_t length_ = 0;
};

class NewFile {
public:
    explicit NewFile(const std::filesystem::path& path) : path_(path), file_(create(path)) {
        if (!file_) throw_file_error(errno, "create", path_);
    }

    void write(const void* data, std::size_t nbytes) {
        const auto* bytes = static_cast<const std::byte*>(data);
        std::size_t done = 0;
        while (done < nbytes) {
            const std::size_t wanted = std::min(nbytes - done, max_io_nbytes);
            if (!may_reach(nbytes_ + wanted)) throw_file_error(EFBIG, "write", path_);
            const ssize_t wrote = uninterrupted([&] { return ::write(file_.get(), bytes + done, wanted); });
            if (wrote < 0) throw_file_error(errno, "write", path_);
            done += static_cast<std::size_t>(wrote);
            nbytes_ += static_cast<std::uint64_t>(wrote);
        }
    }

    void close() {
        if (file_.close() != 0) throw_file_error(errno, "write", path_);
    }

    void discard() noexcept {
        file_.close();
        ::unlink(path_.c_str());
    }

private:
    static int create(const std::filesystem::path& path) {
        return uninterrupted([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    }

    std::filesystem::path path_;
    Descriptor file_;
    std::uint64_t nbytes_ = 0;  // written
};

inline void remove_file(const std::filesystem::path& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw_file_error(errno, "remove", path);
}

inline void rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0) throw_file_error(errno, "write", to);
}

}  // namespace tr::detail
