// What a process can run out of for a while.
#pragma once

#include <system_error>

namespace tr::detail {

// Whether the system says that descriptors, memory or disk space have run out: nobody is at fault, and it may pass.
inline bool has_run_out(const std::error_code& code) {
    using std::errc;
    return code == errc::too_many_files_open || code == errc::too_many_files_open_in_system ||
           code == errc::not_enough_memory || code == errc::no_space_on_device;
}

}  // namespace tr::detail
