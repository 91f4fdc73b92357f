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

// Changes between construction, or the last wait that reported one, and the next wait are never missed, as far as the
// file system tells of them at all. One thread waits at a time; wake() may come from any.
class DirectoryWatch {
public:
    // Without `notify`, or where the platform refuses to watch, waits end by time, exit handle and wake() alone.
    // Throws LaunchError launch_failed when there are no descriptors left.
    DirectoryWatch(const std::string& directory, bool notify) {
        if (notify) notifier_.open(directory);
    }

    // Watches this directory in place of the one before, if that was watched. REQUIRES: nobody waits.
    void follow(const std::string& directory) {
        if (notifies()) notifier_.open(directory);
    }

    bool notifies() const noexcept { return notifier_.handle() != no_handle; }

    WatchEvent wait(std::chrono::milliseconds timeout, WaitHandle exit = no_handle) {
        const Clock::time_point deadline = deadline_after(timeout);
        while (true) {
            std::array<pollfd, 3> entries{pollfd{notifier_.handle(), POLLIN, 0}, pollfd{wake_.handle(), POLLIN, 0},
                                          pollfd{exit, POLLIN, 0}};
            poll_until(entries, deadline);
            if (entries[0].revents != 0 && notifier_.take_changes()) return WatchEvent::changed;
            if (entries[1].revents != 0) {
                wake_.reset();
                return WatchEvent::woken;
            }
            if (entries[2].revents != 0) return WatchEvent::exited;
            if (Clock::now() >= deadline) return WatchEvent::timed_out;
        }
    }

    // Ends the wait that is going on, or else the next one.
    void wake() noexcept { wake_.set(); }

private:
    ChangeNotifier notifier_;
    Event wake_;
};

}  // namespace tr::detail
