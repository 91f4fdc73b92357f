// The doorbell: wakes the other side when it sleeps, and tells when it is gone. A pair of connected sockets.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/event.h"

namespace tr::detail::shm {

// Our end. ring() and wake() from any thread, wait() by one at a time.
class Doorbell {
public:
    Doorbell() {
        std::array<int, 2> ends{-1, -1};
#if defined(__APPLE__)
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) throw_os_error("cannot make a doorbell", errno);
        for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
#else
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            throw_os_error("cannot make a doorbell", errno);
#endif
        Descriptor ours(ends[0]);
        Descriptor theirs(ends[1]);
        ours_ = above_standard_streams(std::move(ours));
        theirs_ = above_standard_streams(std::move(theirs));
        set_nonblocking(ours_);
    }

    // The other end, for the worker to inherit; close_theirs() once it has.
    int theirs() const noexcept { return theirs_.get(); }
    void close_theirs() noexcept { theirs_.close(); }

    // The other side may be gone: that is found out elsewhere.
    void ring() noexcept {
        const char byte = '!';
        while (::send(ours_.get(), &byte, 1, send_flags) < 0 && errno == EINTR) {
        }
    }

    // Ends our own wait, or the next one.
    void wake() noexcept { woken_.set(); }

    // Sleeps until rung, woken, the other side is gone or the exit handle fires; false when the time has passed.
    bool wait(std::chrono::milliseconds timeout, WaitHandle exit) {
        const int bell = is_cut_ ? -1 : ours_.get();
        std::array<pollfd, 3> entries{pollfd{bell, POLLIN, 0}, pollfd{woken_.handle(), POLLIN, 0},
                                      pollfd{exit, POLLIN, 0}};
        poll_until(entries, deadline_after(timeout));
        if (entries[0].revents != 0) take_rings();
        if (entries[1].revents != 0) woken_.reset();
        return entries[0].revents != 0 || entries[1].revents != 0 || entries[2].revents != 0;
    }

private:
#if defined(__APPLE__)
    static constexpr int send_flags = 0;
#else
    static constexpr int send_flags = MSG_NOSIGNAL;
#endif

    // Once the other side has hung up, that would end every wait, though its process may live.
    void take_rings() noexcept {
        std::array<char, 4096> bytes;
        const ssize_t count = ::recv(ours_.get(), bytes.data(), bytes.size(), 0);
        is_cut_ = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
    }

    bool is_cut_ = false;
    Descriptor ours_;
    Descriptor theirs_;
    Event woken_;
};

}  // namespace tr::detail::shm
