// Where session directories are, and who owns one. Contract: spec/transport-file.md, Ownership.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/base/launch_failed.h"
#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/lock_file.h"
#include "tech_renaissance/detail/system/open_folder.h"
#include "tech_renaissance/detail/system/path.h"

namespace tr::detail {

// Absolute path of the workspace. workspace: the option, which may be empty.
inline std::string find_workspace(const std::string& workspace, const Environment& environment) {
    if (!workspace.empty()) return absolute_path(workspace);
    const std::string wish = variable(environment, "TR_WORKSPACE");
    return absolute_path(wish.empty() ? "workspace" : wish);
}

inline constexpr const char* session_prefix = "tr_session_";

// Absolute path of a session's directory. Throws LocalProtocolError "bad_name".
inline std::string session_path(const std::string& workspace, const std::string& session_id) {
    check_name(session_id, "session id");
    return from_path(to_path(workspace) / "python_session" / to_path(session_prefix + session_id));
}

// The folder that has all session directories of a workspace. Throws std::system_error, and LaunchError launch_failed
// if others could replace what is in it.
inline OpenFolder open_sessions_folder(const std::filesystem::path& path) {
    OpenFolder folder(path);
    const std::string distrust = folder.distrust();
    if (!distrust.empty()) throw_launch_failed(distrust);
    return folder;
}

// A session directory that is held open, with its lock, which we hold.
class HeldDirectory {
public:
    // Opens and locks the directory of this name; creates the lock file if needed. Throws LaunchError and
    // std::system_error.
    static HeldDirectory claim(const OpenFolder& parent, const std::string& name) {
        OpenFolder folder(parent, name);
        if (!folder.is_ours()) throw_launch_failed("'" + shown_path(folder.path()) + "' belongs to another user");
        LockFile lock = LockFile::acquire(folder, lock_name);
        HeldDirectory held(std::move(folder), std::move(lock));
        if (!held.is_named(parent)) {
            throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory),
                                    "'" + shown_path(held.folder_.path()) + "' was moved or removed");
        }
        return held;
    }

    // The directory of this name, if a dead owner left it behind. Throws as claim does.
    static std::optional<HeldDirectory> take_over(const OpenFolder& parent, const std::string& name) {
        OpenFolder folder(parent, name);
        if (!folder.is_ours()) return std::nullopt;
        std::optional<LockFile> lock = LockFile::take_over(folder, lock_name);
        if (!lock) return std::nullopt;
        HeldDirectory held(std::move(folder), std::move(*lock));
        if (!held.is_in_place(parent)) return std::nullopt;
        return held;
    }

    // Whether its name still belongs to this directory, and the lock file's name to this lock.
    bool is_in_place(const OpenFolder& parent) const { return is_named(parent) && lock_.is_in_place(folder_); }

    // Makes it private, removes what a dead owner left behind (nothing if it is empty), and protects it from cleaners.
    // Throws std::system_error.
    void begin(bool is_empty) {
        folder_.hold_off_cleaners();
        lock_.blank();
        folder_.make_private();
        if (!is_empty) folder_.empty(lock_name);  // looking through it takes a descriptor
        lock_.sign();
    }

    // Removes it, unless it or its lock has been replaced, and releases the lock in any case. Throws std::system_error
    // if something cannot be removed; then the lock file stays, too, so that someone can try again.
    static void remove(std::optional<HeldDirectory> held, const OpenFolder& parent) {
        const std::string name = held->name();
        const bool is_named = held->is_named(parent);
        // The lock file goes last, so that the directory has an owner until then.
        if (is_named && !held->lock_.was_replaced(held->folder_)) held->folder_.empty(lock_name);
        held->lock_.remove(held->folder_);
        held.reset();  // Windows does not remove open folders
        if (is_named) parent.remove_empty_folder(name);
    }

private:
    static constexpr const char* lock_name = "session.lock";

    HeldDirectory(OpenFolder folder, LockFile lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}

    std::string name() const { return from_path(folder_.path().filename()); }
    bool is_named(const OpenFolder& parent) const { return parent.identity_at(name()) == folder_.identity(); }

    OpenFolder folder_;
    LockFile lock_;
};

// A session's directory and the lock that says who owns it. Made when it is claimed, after removing what a dead owner
// left behind, and removed with this object, unless it has been replaced by then. Throws LaunchError: session_in_use if
// a living process owns it, launch_failed if it cannot be made, or if others could replace it.
class SessionDirectory {
public:
    explicit SessionDirectory(const std::string& path) : path_(to_path(path)) {
        const Clock::time_point patience = deadline_after(sweep_patience);
        while (true) {
            try {
                held_.emplace(claim());
                return;
            } catch (const LaunchError& error) {
                if (error.code() != "session_in_use" || Clock::now() >= patience) throw;
            } catch (const std::system_error& error) {
                // It may have been removed just before we locked it.
                const bool is_gone = error.code() == std::errc::no_such_file_or_directory;
                if (!is_gone || Clock::now() >= patience)
                    throw_launch_failed("cannot make the session directory '" + shown_path(path_) +
                                        "': " + error.what());
            }
            std::this_thread::sleep_for(sweep_look);
        }
    }
    SessionDirectory(const SessionDirectory&) = delete;
    SessionDirectory& operator=(const SessionDirectory&) = delete;

    // Does nothing in a fork, because the directory belongs to the parent.
    ~SessionDirectory() {
        if (owner_ != current_process_id()) return;
        try {
            HeldDirectory::remove(std::move(held_), OpenFolder(path_.parent_path()));
        } catch (const std::exception&) {  // it has someone else's file in it, or is already removed
        }
    }

    // Whether the path still names this directory, and the lock in it is still ours.
    bool is_in_place() const {
        try {
            return held_->is_in_place(OpenFolder(path_.parent_path()));
        } catch (const std::system_error&) {
            return false;
        }
    }

private:
    // Whoever removes a dead owner's leftovers also holds the lock, but only briefly.
    static constexpr std::chrono::milliseconds sweep_patience{200};
    static constexpr std::chrono::milliseconds sweep_look{10};

    HeldDirectory claim() const {
        const std::filesystem::path folder = path_.parent_path();
        std::filesystem::create_directories(folder.parent_path());
        make_private_folder(folder);
        const OpenFolder parent = open_sessions_folder(folder);
        const std::string name = from_path(path_.filename());
        const bool is_new = parent.make_folder(name);
        try {
            return claim(parent, name, is_new);
        } catch (const std::exception&) {  // without a lock file nobody would ever take it for left over
            if (is_new) remove_quietly(name, parent);
            throw;
        }
    }

    static HeldDirectory claim(const OpenFolder& parent, const std::string& name, bool is_new) {
        HeldDirectory held = HeldDirectory::claim(parent, name);
        try {
            held.begin(is_new);
        } catch (const std::exception&) {  // a full disk, for example: leave nothing of ours behind
            remove_quietly(std::move(held), parent);
            throw;
        }
        return held;
    }

    static void remove_quietly(const std::string& name, const OpenFolder& parent) noexcept {
        try {
            parent.remove_empty_folder(name);
        } catch (const std::exception&) {  // somebody else may have it by now
        }
    }

    static void remove_quietly(HeldDirectory held, const OpenFolder& parent) noexcept {
        try {
            HeldDirectory::remove(std::move(held), parent);
        } catch (const std::exception&) {  // it has someone else's file in it
        }
    }

    std::filesystem::path path_;
    std::optional<HeldDirectory> held_;
    std::int64_t owner_ = current_process_id();
};

// Removes what dead hosts left behind in a folder of session directories. What cannot be removed stays. A directory
// without a lock file is not ours and stays, and so does another user's.
inline void remove_leftovers(const std::string& path) noexcept {
    try {
        const OpenFolder folder = open_sessions_folder(to_path(path));
        for (const std::string& name : folder.names()) {
            if (name.rfind(session_prefix, 0) != 0) continue;
            try {
                std::optional<HeldDirectory> held = HeldDirectory::take_over(folder, name);
                if (held) HeldDirectory::remove(std::move(held), folder);
            } catch (const std::exception&) {
            }
        }
    } catch (const std::exception&) {
    }
}

}  // namespace tr::detail
