// A directory that is held open: operations through it happen in this very directory, even if something else has its
// name by then.
//
// Each platform's file defines OpenFolderBase. Its operations throw std::system_error, which names the path.
#pragma once

#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/path.h"

#if defined(_WIN32)
#include "tech_renaissance/detail/system/open_folder_windows.h"
#else
#include "tech_renaissance/detail/system/open_folder_posix.h"
#endif

namespace tr::detail {

// Adds the operations that are the same on every platform.
class OpenFolder : public OpenFolderBase {
public:
    using OpenFolderBase::OpenFolderBase;

    // Removes whatever has this name in it: for a link the link itself, for a folder all its contents, too.
    void remove(const std::string& name) const {
        if (!is_folder(name)) return remove_file(name);
        OpenFolder(*this, name).empty();
        remove_empty_folder(name);
    }

    // Removes everything in it except `keep`. If something cannot be removed, still removes the rest, then throws.
    void empty(const std::string& keep = "") const {
        std::exception_ptr failure;
        for (const std::string& name : names()) {
            try {
                if (name != keep) remove(name);
            } catch (const std::system_error&) {
                failure = std::current_exception();
            }
        }
        if (failure) std::rethrow_exception(failure);
    }
};

// Removes whatever is at this path, even a link, a pipe, or a directory with all its contents.
inline void remove_anything(const std::filesystem::path& path) {
    if (!std::filesystem::is_directory(std::filesystem::symlink_status(path))) return remove_file(path);
    OpenFolder(path.parent_path()).remove(from_path(path.filename()));
}

}  // namespace tr::detail
