// Who owns a session directory: spec/transport-file.md, Ownership.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/open_folder.h"
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
    // The lock on a file in a folder; `sign` has to follow. Does not wait. Throws LaunchError session_in_use, with the
    // pid, when another holds it (this process, too), or launch_failed; and std::system_error.
    static LockFile acquire(const OpenFolder& folder, const std::string& name) {
        for (int attempt = 0; attempt < 100; ++attempt) {
            LockFile lock(name, LockedDescriptor(folder, name, LockedDescriptor::Make::if_missing));
            if (!lock.file_.try_lock()) throw_in_use(folder, lock.file_.read());
            // The last owner may have removed the file between our opening and our locking it.
            if (lock.is_in_place(folder)) return lock;
        }
        throw_launch_failed("'" + name + "' does not stay in its place in '" + from_path(folder.path()) + "'");
    }

    // The lock on a file that a dead owner left; none if there is no file, another holds it, or it was made just now
    // and is about to be locked. Throws as acquire.
    static std::optional<LockFile> take_over(const OpenFolder& folder, const std::string& name) {
        if (!folder.identity_at(name)) return std::nullopt;
        LockFile lock(name, LockedDescriptor(folder, name, LockedDescriptor::Make::never));
        if (!lock.file_.try_lock() || !lock.is_in_place(folder) || lock.is_being_made()) return std::nullopt;
        return lock;
    }

    // Names nobody as the owner, until `sign`: the one that the file names is dead.
    void blank() { file_.replace(""); }
    // Names this process as the owner.
    void sign() { file_.replace(std::to_string(current_process_id())); }

    // Whether the file still bears its name in the folder.
    bool is_in_place(const OpenFolder& folder) const { return folder.identity_at(name_) == file_.identity(); }
    // Whether another file bears it.
    bool was_replaced(const OpenFolder& folder) const {
        return folder.identity_at(name_).value_or(file_.identity()) != file_.identity();
    }

    // Removes the file while still holding the lock, so that nobody else's is removed; nothing in a fork of the owner.
    // On Windows the name is free when this object goes.
    void remove(const OpenFolder& folder) {
        if (!file_.is_in_fork() && is_in_place(folder)) folder.remove_file(name_);
    }

private:
    // An older one that names nobody was left by one who died while making it.
    static constexpr std::chrono::seconds unsigned_for{60};

    LockFile(std::string name, LockedDescriptor file) : name_(std::move(name)), file_(std::move(file)) {}

    bool is_being_made() const { return file_.read().empty() && file_.age() < unsigned_for; }

    [[noreturn]] static void throw_in_use(const OpenFolder& folder, std::string pid) {
        pid.erase(pid.find_last_not_of(" \r\n") + 1);
        const bool is_pid = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
        const std::string owner = is_pid ? "process " + pid : "another process";
        throw LaunchError("session_in_use", owner + " holds the session in '" + from_path(folder.path()) +
                                                "': end it, or give this one another session id");
    }

    std::string name_;
    LockedDescriptor file_;
};

}  // namespace tr::detail
