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
    explicit SessionPlace(std::filesystem::path directory)
        : directory_(std::move(directory)), mark_(directory_ / "session.lock") {
        try {
            identity_ = identity_at(mark_);
            if (identity_) return;  // asked only once: a lock file may vanish between two questions
            mark_ = directory_;
            identity_ = identity_at(mark_);
            exists_ = identity_.has_value();
        } catch (const std::system_error&) {  // then it will be unknown later, too
        }
    }

    const std::filesystem::path& directory() const noexcept { return directory_; }

    // Whether it has been removed or replaced. If so, nothing may be written there, and nothing there is meant for us.
    bool is_lost() const noexcept {
        if (!identity_) return !exists_;
        try {
            return !is_unmoved(mark_, *identity_, mark_ != directory_);
        } catch (const std::exception&) {  // unknown
            return false;
        }
    }

private:
    std::filesystem::path directory_;
    std::filesystem::path mark_;
    std::optional<FileIdentity> identity_;
    bool exists_ = true;
};

}  // namespace tr::detail
