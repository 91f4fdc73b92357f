// What handles say.
#pragma once

#include <array>
#include <chrono>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/handle.h"

// Whether a handle is ready, after waiting for it.
inline bool is_ready(tr::detail::WaitHandle handle, std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
#if defined(_WIN32)
    return ::WaitForSingleObject(handle, static_cast<DWORD>(timeout.count())) == WAIT_OBJECT_0;
#else
    std::array<pollfd, 1> entry{pollfd{handle, POLLIN, 0}};
    tr::detail::poll_until(entry, tr::detail::deadline_after(timeout));
    return entry[0].revents != 0;
#endif
}
