// A directory that is held open: what is done through it is done in this one, whatever bears its name by then.
//
// Each platform's file gives OpenFolderBase, all of whose operations fail with std::system_error that names the path.
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

// With the operations that every platform makes of its own.
class OpenFolder : public OpenFolderBase {
public:
    using OpenFolderBase::OpenFolderBase;

    // Removes whatever bears this name in it: a link itself, a folder with all that is in it.
    void remove(const std::string& name) const {
        if (!is_folder(name)) return remove_file(name);
        OpenFolder(*this, name).empty();
        remove_empty_folder(name);
    }

    // Removes all that is in it, but for one name; as much as can be removed, if something cannot.
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
