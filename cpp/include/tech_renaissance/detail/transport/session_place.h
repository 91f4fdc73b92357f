// Whether a session directory is still the same one, for code that reads and writes in it by its path.
#pragma once

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "tech_renaissance/detail/system/open_folder.h"

namespace tr::detail {

// A session directory, identified by its lock file, or by itself if nobody owns it. The owner keeps the lock file open,
// so its identity cannot be reused.
class SessionPlace {
public:
    explicit SessionPlace(std::filesystem::path directory) : directory_(std::move(directory)), mark_(find_mark()) {
        try {
            identity_ = identity_at(mark_);
        } catch (const std::system_error&) {  // then it will be unknown later, too
        }
    }

    const std::filesystem::path& directory() const noexcept { return directory_; }

    // Whether it has been removed or replaced. If so, nothing may be written there, and nothing there is meant for us.
    bool is_lost() const noexcept {
        try {
            return identity_at(mark_) != identity_;
        } catch (const std::exception&) {  // unknown
            return false;
        }
    }

private:
    std::filesystem::path find_mark() const {
        std::filesystem::path lock = directory_ / "session.lock";
        std::error_code ignored;
        return std::filesystem::exists(std::filesystem::symlink_status(lock, ignored)) ? lock : directory_;
    }

    std::filesystem::path directory_;
    std::filesystem::path mark_;
    std::optional<FileIdentity> identity_;
};

}  // namespace tr::detail
