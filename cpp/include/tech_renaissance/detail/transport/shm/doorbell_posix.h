// The doorbell: wakes the other side when it sleeps. A pipe in each direction.
//
// The host holds both ends of both pipes: so it never writes into a pipe that nobody reads, which is a fatal signal to
// many programs, and it wakes itself by its own bell.
#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail::shm {

// The host's end. ring() and wake() from any thread, wait() and forget_rings() by one at a time.
class Doorbell {
public:
    Doorbell() {
        for (const Pipe* pipe : {&to_host_, &to_worker_}) {
            set_nonblocking(pipe->read);
            set_nonblocking(pipe->write);
        }
    }

    // What the worker is to inherit: the descriptors that it hears and rings.
    std::array<int, 2> theirs() const noexcept { return {to_worker_.read.get(), to_host_.write.get()}; }

    // The worker may be gone: that is found out elsewhere.
    void ring() noexcept { write_byte(to_worker_); }

    // Ends our own wait, or the next one.
    void wake() noexcept {
        is_woken_ = true;  // before the byte, which may be forgotten with others
        write_byte(to_host_);
    }

    // Sleeps until rung, woken, or the exit handle fires; false when the time has passed. What ended it stays until
    // forget_rings(): who was woken has better things to do.
    bool wait(std::chrono::milliseconds timeout, WaitHandle exit) {
        if (is_woken_.exchange(false)) return heard_ = true;
        std::array<pollfd, 2> entries{pollfd{to_host_.read.get(), POLLIN, 0}, pollfd{exit, POLLIN, 0}};
        poll_until(entries, deadline_after(timeout));
        heard_ = heard_ || entries[0].revents != 0;
        is_woken_ = false;
        return entries[0].revents != 0 || entries[1].revents != 0;
    }

    // Before a wait is prepared: forgets what ended the last one.
    void forget_rings() noexcept {
        if (!heard_) return;
        heard_ = false;
        std::array<char, 4096> bytes;
        while (::read(to_host_.read.get(), bytes.data(), bytes.size()) < 0 && errno == EINTR) {
        }
    }

private:
    static void write_byte(const Pipe& pipe) noexcept {
        while (::write(pipe.write.get(), "!", 1) < 0 && errno == EINTR) {
        }
    }

    Pipe to_host_ = make_pipe();
    Pipe to_worker_ = make_pipe();
    std::atomic<bool> is_woken_{false};
    bool heard_ = false;  // what was rung is still in the pipe
};

}  // namespace tr::detail::shm
