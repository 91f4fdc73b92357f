// Who owns a session directory: spec/transport-file.md, Ownership.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/path.h"

#if defined(_WIN32)
#include "tech_renaissance/detail/system/locked_descriptor_windows.h"
#else
#include "tech_renaissance/detail/system/locked_descriptor_posix.h"
#endif

namespace tr::detail {

// A lock that ends with this object, or with the process, however it ends. The file names the process that holds it.
// Children that the process starts do not hold it; a fork that outlives it does.
class LockFile {
public:
    // Does not wait. Throws LaunchError session_in_use, with the pid, when another holds it (this process, too), or
    // launch_failed.
    static LockFile acquire(const std::string& path) {
        for (int attempt = 0; attempt < 100; ++attempt) {
            LockedDescriptor file(path);
            if (!file.try_lock()) throw_in_use(path, file.read());
            // The last owner may have removed the file between our opening and our locking it.
            if (!file.is_at(path)) continue;
            file.replace(std::to_string(current_process_id()));
            return LockFile(path, std::move(file));
        }
        throw_launch_failed("'" + path + "' does not stay in its place");
    }

    // The lock on a file that a dead owner left; none if there is no file, another holds it, or it was made just now
    // and is about to be locked. Throws LaunchError launch_failed.
    static std::optional<LockFile> take_over(const std::string& path) {
        if (!exists(path)) return std::nullopt;
        LockedDescriptor file(path, LockedDescriptor::Make::never);
        if (!file.try_lock() || !file.is_at(path) || file.read().empty()) return std::nullopt;
        return LockFile(path, std::move(file));
    }

    // Removes the file while still holding the lock, so that nobody else's is removed. On Windows the name is free when
    // this object goes.
    void remove() { file_.remove(path_); }

private:
    LockFile(std::string path, LockedDescriptor file) : path_(std::move(path)), file_(std::move(file)) {}

    [[noreturn]] static void throw_in_use(const std::string& path, std::string pid) {
        pid.erase(pid.find_last_not_of(" \r\n") + 1);
        const bool is_pid = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
        const std::string owner = is_pid ? "process " + pid : "another process";
        throw LaunchError("session_in_use",
                          owner + " holds this session ('" + path + "'): end it, or use another session id");
    }

    std::string path_;
    LockedDescriptor file_;
};

}  // namespace tr::detail
