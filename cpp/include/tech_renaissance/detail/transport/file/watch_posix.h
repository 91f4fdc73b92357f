#pragma once

#include <array>
#include <chrono>
#include <string>

#include "tech_renaissance/detail/system/event.h"
#include "tech_renaissance/detail/transport/file/watch_event.h"

#if defined(__linux__)
#include "tech_renaissance/detail/transport/file/change_notifier_linux.h"
#else
#include "tech_renaissance/detail/transport/file/change_notifier_kqueue.h"
#endif

namespace tr::detail {

// Misses no change from construction on, or since the last wait that reported one, as far as the file system reports
// changes at all. One thread may wait at a time; any thread may call wake().
class DirectoryWatch {
public:
    // Without `notify`, or if the platform refuses to watch, only time, the exit handle and wake() end a wait. Throws
    // LaunchError launch_failed if no descriptors are left.
    DirectoryWatch(const std::string& directory, bool notify) {
        if (notify) notifier_.open(directory);
    }

    // Watches this directory instead of the previous one, if that was watched. REQUIRES: nobody is waiting.
    void follow(const std::string& directory) {
        if (notifies()) notifier_.open(directory);
    }

    bool notifies() const noexcept { return notifier_.handle() != no_handle; }

    // What becomes ready when something changes, until changes are forgotten. REQUIRES: it notifies.
    WaitHandle handle() const noexcept { return notifier_.handle(); }
    void forget_changes() noexcept {
        if (notifies()) notifier_.take_changes();
    }

    WatchEvent wait(std::chrono::milliseconds timeout, WaitHandle exit = no_handle) {
        const Clock::time_point deadline = deadline_after(timeout);
        while (true) {
            std::array<pollfd, 3> entries{pollfd{notifier_.handle(), POLLIN, 0}, pollfd{wake_.handle(), POLLIN, 0},
                                          pollfd{exit, POLLIN, 0}};
            if (!poll_until(entries, deadline)) return WatchEvent::changed;  // perhaps
            if (entries[0].revents != 0 && notifier_.take_changes()) return WatchEvent::changed;
            if (entries[1].revents != 0) {
                wake_.reset();
                return WatchEvent::woken;
            }
            if (entries[2].revents != 0) return WatchEvent::exited;
            if (Clock::now() >= deadline) return WatchEvent::timed_out;
        }
    }

    // Ends the current wait, or else the next one.
    void wake() noexcept { wake_.set(); }

private:
    ChangeNotifier notifier_;
    Event wake_;
};

}  // namespace tr::detail
