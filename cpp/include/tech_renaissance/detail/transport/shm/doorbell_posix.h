// The doorbell wakes the other side when it is asleep. It is a pipe in each direction.
//
// The host holds both ends of both pipes. So it never writes into a pipe without a reader, which would send it SIGPIPE,
// fatal to many programs; and it can ring its own bell to wake itself.
#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail::shm {

// The host's end. Any thread may call ring() and wake(); only one at a time may call wait() and forget_rings().
class Doorbell {
public:
    Doorbell() {
        for (const Pipe* pipe : {&to_host_, &to_worker_}) {
            set_nonblocking(pipe->read);
            set_nonblocking(pipe->write);
        }
    }

    // The descriptors for the worker to inherit: the one it hears and the one it rings.
    std::array<int, 2> theirs() const noexcept { return {to_worker_.read.get(), to_host_.write.get()}; }

    // The worker may have died, which is noticed elsewhere.
    void ring() noexcept { write_byte(to_worker_); }

    // Ends our own current wait, or the next one.
    void wake() noexcept {
        is_woken_ = true;  // set before writing the byte, which forget_rings() may consume along with others
        write_byte(to_host_);
    }

    // Sleeps until rung, woken, or the exit handle fires; false if the time has passed. Leaves the ring in the pipe
    // until forget_rings(), because whoever was woken has better things to do first.
    bool wait(std::chrono::milliseconds timeout, WaitHandle exit) {
        if (is_woken_.exchange(false)) return heard_ = true;
        std::array<pollfd, 2> entries{pollfd{to_host_.read.get(), POLLIN, 0}, pollfd{exit, POLLIN, 0}};
        const bool was_refused = !poll_until(entries, deadline_after(timeout));
        heard_ = heard_ || entries[0].revents != 0;
        is_woken_ = false;
        return was_refused || entries[0].revents != 0 || entries[1].revents != 0;  // refused: perhaps
    }

    // Forgets what ended the last wait. Call it before preparing the next one.
    void forget_rings() noexcept {
        if (heard_) forget_all_rings();
    }

    // What becomes ready when the host is rung, until all rings are forgotten.
    WaitHandle handle() const noexcept { return to_host_.read.get(); }
    void forget_all_rings() noexcept {
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
    bool heard_ = false;  // whether the ring that ended the last wait is still in the pipe
};

}  // namespace tr::detail::shm
