// The doorbell on Windows: an event in each direction. Whoever waits for one resets it by that, so no ring has to be
// forgotten.
#pragma once

#include <array>
#include <chrono>
#include <system_error>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail::shm {

// The host's end. Any thread may call ring() and wake(); only one at a time may call wait().
class Doorbell {
public:
    // The handles for the worker to inherit: the event that it hears and the one that it rings.
    std::array<HANDLE, 2> theirs() const noexcept { return {to_worker_.get(), to_host_.get()}; }

    // The worker may have died, which is noticed elsewhere.
    void ring() noexcept { ::SetEvent(to_worker_.get()); }

    // Ends our own current wait, or the next one.
    void wake() noexcept { ::SetEvent(to_host_.get()); }

    // Sleeps until rung, woken, or the process to watch has ended; false if the time has passed.
    bool wait(std::chrono::milliseconds timeout, WaitHandle exit) {
        const std::array<HANDLE, 2> handles{to_host_.get(), exit};
        const DWORD count = exit == no_handle ? 1 : 2;
        return ::WaitForMultipleObjects(count, handles.data(), FALSE, wait_timeout(deadline_after(timeout))) !=
               WAIT_TIMEOUT;
    }

    void forget_rings() noexcept {}

    // What becomes ready when the host is rung.
    WaitHandle handle() const noexcept { return to_host_.get(); }
    void forget_all_rings() noexcept { ::ResetEvent(to_host_.get()); }

private:
    static Handle make_event() {
        Handle event(::CreateEventW(nullptr, FALSE, FALSE, nullptr));
        if (!event)
            throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(), "cannot make an event");
        return event;
    }

    Handle to_host_ = make_event();
    Handle to_worker_ = make_event();
};

}  // namespace tr::detail::shm
