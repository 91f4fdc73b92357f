// Whether a session directory is still the one that it was, for those who read and write in it by its path.
#pragma once

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "tech_renaissance/detail/system/open_folder.h"

namespace tr::detail {

// A session directory, known by the lock file in it; by itself if nobody owns it. A lock file that is open somewhere,
// as its owner has it, is told from all others by its identity, also from later ones.
class SessionPlace {
public:
    explicit SessionPlace(std::filesystem::path directory) : directory_(std::move(directory)), mark_(find_mark()) {
        try {
            identity_ = identity_at(mark_);
        } catch (const std::system_error&) {  // it will not be told later, either
        }
    }

    const std::filesystem::path& directory() const noexcept { return directory_; }

    // Whether it is gone, or somebody else's by now: nothing may be written there then, and nothing there is for us.
    bool is_lost() const noexcept {
        try {
            return identity_at(mark_) != identity_;
        } catch (const std::exception&) {  // it cannot be told
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
