// An event as a pipe, which is set while there is a byte in it.
#pragma once

#include <sys/ioctl.h>

#include <array>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Stays set until reset. Safe to use from several threads.
class Event {
public:
    Event() : pipe_(make_pipe()) {
        set_nonblocking(pipe_.read);
        set_nonblocking(pipe_.write);
    }

    void set() noexcept {
        while (::write(pipe_.write.get(), "", 1) < 0 && errno == EINTR) {
        }
    }

    void reset() noexcept {
        std::array<char, 64> bytes{};
        ssize_t got = 0;
        do got = ::read(pipe_.read.get(), bytes.data(), bytes.size());
        while (got > 0 || (got < 0 && errno == EINTR));
    }

    bool is_set() const noexcept {
        int present = 0;  // not by poll(), which may be refused
        ::ioctl(handle(), FIONREAD, &present);
        return present != 0;
    }

    // Readable while the event is set.
    WaitHandle handle() const noexcept { return pipe_.read.get(); }

private:
    Pipe pipe_;
};

// Waits until one of them is ready.
inline void wait_for_either(WaitHandle one, WaitHandle other) {
    std::array<pollfd, 2> entries{pollfd{one, POLLIN, 0}, pollfd{other, POLLIN, 0}};
    poll_until(entries);
}

}  // namespace tr::detail
