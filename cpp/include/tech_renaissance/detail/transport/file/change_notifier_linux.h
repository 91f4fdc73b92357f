#pragma once

#include <sys/inotify.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Reports changes in a directory with inotify. Names that begin with '.' are work in progress and do not count.
class ChangeNotifier {
public:
    // Stays closed if the system refuses, because there is no such directory, or no instance or watch is left.
    void open(const std::string& directory) {
        const NoForks no_forks;
        Descriptor inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        constexpr std::uint32_t events = IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_CREATE |
                                         IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
        if (inotify && ::inotify_add_watch(inotify.get(), directory.c_str(), events) >= 0)
            inotify_ = std::move(inotify);
    }

    // Readable if there may be changes; no_handle while closed.
    WaitHandle handle() const noexcept { return inotify_.get(); }

    // Consumes everything that was reported; true if any of it counts.
    bool take_changes() {
        bool changed = false;
        alignas(inotify_event) std::array<char, 4096> buffer{};
        ssize_t got = 0;
        while ((got = ::read(inotify_.get(), buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR)) {
            const char* const end = buffer.data() + std::max<ssize_t>(got, 0);
            for (const char* at = buffer.data(); at < end;) {
                inotify_event event{};
                std::memcpy(&event, at, sizeof event);
                changed = counts(event, at + sizeof event) || changed;
                at += sizeof event + event.len;
            }
        }
        return changed;
    }

private:
    // Events without a name concern the directory itself or an overflowed queue: anything may have changed.
    static bool counts(const inotify_event& event, const char* name) { return event.len == 0 || name[0] != '.'; }

    Descriptor inotify_;
};

}  // namespace tr::detail
