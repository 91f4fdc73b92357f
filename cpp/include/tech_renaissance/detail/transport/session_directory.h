// Where session directories are, and who owns one. Contract: spec/transport-file.md, Ownership.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/system/environment.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/lock_file.h"

namespace tr::detail {

// Absolute path of the folder of all sessions' folders. workspace: an option that may be empty.
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

// A session's directory and the lock that says who owns it: made when claimed, with what a dead owner left removed;
// gone with this object. Throws LaunchError: session_in_use if a living process owns it, launch_failed if it cannot be
// made.
class SessionDirectory {
public:
    explicit SessionDirectory(const std::string& path) : path_(to_path(path)) {
        try {
            std::filesystem::create_directories(path_.parent_path());
            lock_.emplace(claim());
            std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
            remove_files();
        } catch (const std::system_error& error) {
            throw_launch_failed("cannot make the session directory '" + path + "': " + error.what());
        }
    }
    // One that a dead owner left, with the lock on it.
    SessionDirectory(std::filesystem::path path, LockFile lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    SessionDirectory(const SessionDirectory&) = delete;
    SessionDirectory& operator=(const SessionDirectory&) = delete;

    // In a fork it does nothing: the directory is its parent's.
    ~SessionDirectory() {
        if (owner_ != current_process_id()) return;
        try {
            remove_files();
            lock_->remove();
            std::error_code ignored;  // someone else's file in it: nothing more can be done
            std::filesystem::remove(path_, ignored);
        } catch (const std::exception&) {
        }
    }

private:
    std::string lock_path() const { return from_path(path_ / "session.lock"); }

    // Who removes what a dead owner left holds its lock, too, but not for long.
    static constexpr std::chrono::milliseconds sweep_patience{200};
    static constexpr std::chrono::milliseconds sweep_look{10};

    LockFile claim() const {
        const Clock::time_point patience = deadline_after(sweep_patience);
        for (int attempt = 0;; ++attempt) {
            std::filesystem::create_directory(path_);
            // Emptying it would empty a directory that is none of ours.
            if (std::filesystem::is_symlink(path_)) throw_launch_failed("'" + from_path(path_) + "' is a link");
            try {
                return LockFile::acquire(lock_path());
            } catch (const LaunchError& error) {
                const bool in_use = error.code() == "session_in_use";
                if (in_use ? Clock::now() >= patience : !may_try_again(error, attempt)) throw;
                if (in_use) std::this_thread::sleep_for(sweep_look);
            }
        }
    }

    // The last owner may remove the directory between our making it and our locking it.
    bool may_try_again(const LaunchError& error, int attempt) const {
        return error.code() == "launch_failed" && !std::filesystem::exists(path_) && attempt < 100;
    }

    // All but the lock: until that goes, the directory has an owner.
    void remove_files() const {
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            if (entry.path().filename() != "session.lock") std::filesystem::remove_all(entry.path());
        }
    }

    std::filesystem::path path_;
    std::optional<LockFile> lock_;
    std::int64_t owner_ = current_process_id();
};

// Removes a session directory whose owner is dead. One without a lock file is none of ours, and stays.
inline void remove_leftover(const std::filesystem::path& directory) {
    std::optional<LockFile> lock = LockFile::take_over(from_path(directory / "session.lock"));
    if (lock) const SessionDirectory removed(directory, std::move(*lock));
}

// Removes what dead hosts left in a folder of session directories. What cannot be removed stays.
inline void remove_leftovers(const std::string& folder) noexcept {
    try {
        for (const auto& entry : std::filesystem::directory_iterator(to_path(folder))) {
            const bool is_session = from_path(entry.path().filename()).rfind(session_prefix, 0) == 0;
            if (!is_session || entry.symlink_status().type() != std::filesystem::file_type::directory) continue;
            try {
                remove_leftover(entry.path());
            } catch (const std::exception&) {
            }
        }
    } catch (const std::exception&) {
    }
}

}  // namespace tr::detail
