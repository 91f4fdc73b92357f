#pragma once

#include <sys/event.h>
#include <sys/time.h>

#include <array>
#include <string>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Reports changes in a directory with kqueue: entries that appear, disappear or are renamed, but not writes into a
// file.
class ChangeNotifier {
public:
    // Stays closed if the system refuses, because there is no such directory or no descriptor is left.
    void open(const std::string& directory) {
        const NoForks no_forks;
        Descriptor target(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        Descriptor queue(::kqueue());
        if (!target || !queue) return;
        ::fcntl(queue.get(), F_SETFD, FD_CLOEXEC);
        struct kevent change;
        EV_SET(&change, static_cast<uintptr_t>(target.get()), EVFILT_VNODE, EV_ADD | EV_CLEAR,
               NOTE_WRITE | NOTE_EXTEND | NOTE_DELETE | NOTE_RENAME, 0, nullptr);
        if (::kevent(queue.get(), &change, 1, nullptr, 0, nullptr) != 0) return;
        directory_ = std::move(target);
        queue_ = std::move(queue);
    }

    // Readable if there are changes; no_handle while closed.
    WaitHandle handle() const noexcept { return queue_.get(); }

    // Consumes everything that was reported; true if there was anything.
    bool take_changes() {
        std::array<struct kevent, 4> events;
        const struct timespec now = {0, 0};
        return ::kevent(queue_.get(), nullptr, 0, events.data(), static_cast<int>(events.size()), &now) > 0;
    }

private:
    Descriptor directory_;
    Descriptor queue_;
};

}  // namespace tr::detail
