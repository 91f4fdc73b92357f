// A directory that is held open: operations through it happen in this very directory, even if something else has its
// name by then.
//
// Each platform's file defines OpenFolderBase. Its operations throw std::system_error, which names the path.
#pragma once

#include <exception>
#include <string>
#include <system_error>

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

}  // namespace tr::detail
