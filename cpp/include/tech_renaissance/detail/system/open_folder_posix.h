// Open directories on POSIX: each operation is relative to a descriptor and follows no link.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/files_posix.h"
#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

// Device and inode: identify a file or directory on this machine.
using FileIdentity = std::pair<dev_t, ino_t>;

inline FileIdentity identity_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

// The identity of what is at this path now (a link's own, if it is one); nullopt if nothing is.
inline std::optional<FileIdentity> identity_at(const std::filesystem::path& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0) return identity_of(status);
    if (errno != ENOENT && errno != ENOTDIR) throw_file_error(errno, "look at", path);
    return std::nullopt;
}

// Whether this path still names what has the identity. `is_held`: its owner holds it open, which keeps nobody from
// moving it.
inline bool is_unmoved(const std::filesystem::path& path, const FileIdentity& identity, bool /*is_held*/) {
    return identity_at(path) == identity;
}

// Makes a private folder, unless something is already at this path.
inline void make_private_folder(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw_file_error(errno, "make", path);
}

// The operations that depend on the platform.
class OpenFolderBase {
public:
    // Opens a directory by its path.
    explicit OpenFolderBase(const std::filesystem::path& path) : path_(path), folder_(opened(AT_FDCWD, path, 0)) {}
    // Opens a directory by its name in another folder, without following a link.
    OpenFolderBase(const OpenFolderBase& parent, const std::string& name)
        : path_(parent.path_ / name), folder_(opened(parent.descriptor(), name, O_NOFOLLOW)) {}

    // For messages only.
    const std::filesystem::path& path() const noexcept { return path_; }
    int descriptor() const noexcept { return folder_.get(); }
    FileIdentity identity() const { return identity_of(own_status()); }

    // Whether it belongs to this process's user.
    bool is_ours() const { return own_status().st_uid == ::geteuid(); }

    // Why others could replace what we make in it; empty if they cannot.
    std::string distrust() const {
        struct stat name{};  // the path may be a link
        if (::lstat(path_.c_str(), &name) != 0) throw_file_error(errno, "look at", path_);
        const struct stat folder = own_status();
        const std::string quoted = "'" + from_path(path_) + "'";
        for (const uid_t owner : {name.st_uid, folder.st_uid}) {
            if (owner == ::geteuid() || owner == 0) continue;
            return quoted + " belongs to another user (" + std::to_string(owner) + "): use a workspace of your own";
        }
        const mode_t mode = folder.st_mode & 07777;
        if ((mode & 022) == 0 || (mode & S_ISVTX) != 0) return "";
        std::array<char, 8> octal{};
        std::snprintf(octal.data(), octal.size(), "%o", static_cast<unsigned>(mode));
        return "others may write to " + quoted + " (mode " + octal.data() +
               "): 'chmod go-w' it, or use another workspace";
    }

    // Lets only its user enter it.
    void make_private() const {
        if (::fchmod(descriptor(), 0700) != 0) throw_file_error(errno, "make private", path_);
    }

    // Locks it, because systemd-tmpfiles leaves a locked folder alone, however old the files in it are. Not every file
    // system supports this.
    void hold_off_cleaners() const noexcept { static_cast<void>(::flock(descriptor(), LOCK_EX | LOCK_NB)); }

    // Makes a private folder in it; false if something already has this name.
    bool make_folder(const std::string& name) const {
        if (::mkdirat(descriptor(), name.c_str(), 0700) == 0) return true;
        if (errno != EEXIST) fail("make", name);
        return false;
    }

    // The names of everything in it.
    std::vector<std::string> names() const {
        // Needs a descriptor of its own, which is closed with the list.
        const int again = uninterrupted([&] { return ::openat(descriptor(), ".", open_flags); });
        const std::unique_ptr<DIR, int (*)(DIR*)> list(again < 0 ? nullptr : ::fdopendir(again), ::closedir);
        if (!list) {
            const int error = errno;
            if (again >= 0) ::close(again);
            throw_file_error(error, "look through", path_);
        }
        std::vector<std::string> names;
        // Safe beside other threads: nobody else has this stream.
        while (const dirent* entry = ::readdir(list.get())) {  // NOLINT(concurrency-mt-unsafe)
            const std::string name = entry->d_name;
            if (name != "." && name != "..") names.push_back(name);
        }
        return names;
    }

    // The identity of what has this name in it now; nullopt if nothing has.
    std::optional<FileIdentity> identity_at(const std::string& name) const {
        const std::optional<struct stat> status = status_of(name);
        if (!status) return std::nullopt;
        return identity_of(*status);
    }

    // Whether this name in it belongs to a folder, not to a link to one.
    bool is_folder(const std::string& name) const {
        const std::optional<struct stat> status = status_of(name);
        return status && S_ISDIR(status->st_mode);
    }

    // These remove something if it exists.
    void remove_file(const std::string& name) const {
        if (::unlinkat(descriptor(), name.c_str(), 0) != 0 && errno != ENOENT) fail("remove", name);
    }
    void remove_empty_folder(const std::string& name) const {
        if (::unlinkat(descriptor(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) fail("remove", name);
    }

private:
    static constexpr int open_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

    static Descriptor opened(int parent, const std::filesystem::path& path, int more_flags) {
        const NoForks no_forks;
        Descriptor folder(uninterrupted([&] { return ::openat(parent, path.c_str(), open_flags | more_flags); }));
        if (!folder) throw_file_error(errno, "open the folder", path);
        return folder;
    }

    struct stat own_status() const {
        struct stat status{};
        if (::fstat(descriptor(), &status) != 0) throw_file_error(errno, "look at", path_);
        return status;
    }

    std::optional<struct stat> status_of(const std::string& name) const {
        struct stat status{};
        if (::fstatat(descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
        if (errno != ENOENT) fail("look at", name);
        return std::nullopt;
    }

    [[noreturn]] void fail(const char* what, const std::string& name) const {
        throw_file_error(errno, what, path_ / name);
    }

    std::filesystem::path path_;
    Descriptor folder_;
};

}  // namespace tr::detail
