// A wait set as a kqueue descriptor.
#pragma once

#include <sys/event.h>
#include <sys/time.h>

#include <array>
#include <chrono>
#include <cstdint>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/event_posix.h"

namespace tr::detail {

// One thread at a time may use it, but any may call wake(), and wait for its handle.
class WaitSet {
public:
    // Throws LaunchError launch_failed if no descriptors are left.
    WaitSet() {
        const NoForks no_forks;
        queue_ = Descriptor(::kqueue());
        if (!queue_) throw_os_error("cannot make a kqueue descriptor", errno);
        ::fcntl(queue_.get(), F_SETFD, FD_CLOEXEC);
        add(wake_.handle());
    }

    // Can be polled for reading.
    WaitHandle handle() const noexcept { return queue_.get(); }

    // Throws LaunchError launch_failed.
    void add(WaitHandle member) {
        if (!change(member, EVFILT_READ, EV_ADD, 0)) throw_os_error("cannot add to a kqueue descriptor", errno);
    }
    void remove(WaitHandle member) noexcept { change(member, EVFILT_READ, EV_DELETE, 0); }

    // Makes it ready, until it is rested.
    void wake() noexcept { wake_.set(); }

    // Makes it ready after this time, and again and again; zero: no longer.
    void set_timer(std::chrono::milliseconds interval) noexcept {
        if (interval == interval_) return;
        interval_ = interval;
        change(timer, EVFILT_TIMER, interval.count() != 0 ? EV_ADD : EV_DELETE, interval.count());
    }

    // Takes back wake() and the timer. The members are others' to reset.
    void rest() noexcept {
        std::array<struct kevent, 8> ready;
        const struct timespec now = {0, 0};  // taking a timer's event resets it
        const int count = ::kevent(queue_.get(), nullptr, 0, ready.data(), static_cast<int>(ready.size()), &now);
        for (int i = 0; i < count; ++i) {
            if (ready[static_cast<std::size_t>(i)].ident == static_cast<uintptr_t>(wake_.handle())) wake_.reset();
        }
    }

    // From now on the members count. Here they always do.
    void listen() noexcept {}

private:
    static constexpr int timer = 0;  // identifies it among the timers

    bool change(int ident, std::int16_t filter, std::uint16_t flags, std::int64_t data) noexcept {
        struct kevent event;
        EV_SET(&event, static_cast<uintptr_t>(ident), filter, flags, 0, static_cast<intptr_t>(data), nullptr);
        return ::kevent(queue_.get(), &event, 1, nullptr, 0, nullptr) == 0;
    }

    Descriptor queue_;
    Event wake_;
    std::chrono::milliseconds interval_{0};
};

}  // namespace tr::detail
