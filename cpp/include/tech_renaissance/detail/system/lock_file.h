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

// A lock that is released with this object, or when the process ends, however that happens. The file names the process
// that holds it. Children and forks of the process do not keep it.
class LockFile {
public:
    // Locks a file in a folder; call `sign` afterwards. Does not wait. Throws LaunchError session_in_use, with the pid,
    // if it is locked already (even by this process), or launch_failed; and std::system_error.
    static LockFile acquire(const OpenFolder& folder, const std::string& name) {
        for (int attempt = 0; attempt < 100; ++attempt) {
            LockFile lock(name, LockedDescriptor(folder, name, LockedDescriptor::Make::if_missing));
            if (!lock.file_.try_lock()) throw_in_use(folder, lock.file_.read());
            // The last owner may have removed the file after we opened and before we locked it.
            if (lock.is_in_place(folder)) return lock;
        }
        throw_launch_failed("'" + name + "' in '" + shown_path(folder.path()) + "' was removed again and again");
    }

    // Locks a file that a dead owner left behind. nullopt if there is no file, someone else holds the lock, or someone
    // has just created the file and is about to lock it. Throws as acquire does.
    static std::optional<LockFile> take_over(const OpenFolder& folder, const std::string& name) {
        if (!folder.identity_at(name)) return std::nullopt;
        LockFile lock(name, LockedDescriptor(folder, name, LockedDescriptor::Make::never));
        if (!lock.file_.try_lock() || !lock.is_in_place(folder) || lock.is_being_made()) return std::nullopt;
        return lock;
    }

    // Clears the dead owner's name until `sign` is called.
    void blank() { file_.replace(""); }
    // Names this process as the owner.
    void sign() { file_.replace(std::to_string(current_process_id())); }

    // Whether the file still has its name in the folder.
    bool is_in_place(const OpenFolder& folder) const { return folder.identity_at(name_) == file_.identity(); }
    // Whether another file has that name.
    bool was_replaced(const OpenFolder& folder) const {
        return folder.identity_at(name_).value_or(file_.identity()) != file_.identity();
    }

    // Removes the file while still holding the lock, so that it cannot be someone else's. Does nothing in a fork of the
    // owner. On Windows the name becomes free when this object is destroyed.
    void remove(const OpenFolder& folder) {
        if (!file_.is_in_fork() && is_in_place(folder)) folder.remove_file(name_);
    }

private:
    // An empty file older than this was left by a process that died while creating it.
    static constexpr std::chrono::seconds unsigned_for{60};

    LockFile(std::string name, LockedDescriptor file) : name_(std::move(name)), file_(std::move(file)) {}

    bool is_being_made() const { return file_.read().empty() && file_.age() < unsigned_for; }

    [[noreturn]] static void throw_in_use(const OpenFolder& folder, std::string pid) {
        pid.erase(pid.find_last_not_of(" \r\n") + 1);
        const bool is_pid = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
        const std::string owner = is_pid ? process_named(pid) : "another process";
        throw LaunchError("session_in_use", owner + " holds the session in '" + shown_path(folder.path()) +
                                                "': end it, or give this one another session id");
    }

    static std::string process_named(const std::string& pid) {
        return pid == std::to_string(current_process_id()) ? "this program" : "process " + pid;
    }

    std::string name_;
    LockedDescriptor file_;
};

}  // namespace tr::detail
