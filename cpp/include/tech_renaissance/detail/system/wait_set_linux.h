// A wait set as an epoll descriptor.
#pragma once

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/event_posix.h"

namespace tr::detail {

// One thread at a time may use it, but any may call wake(), and wait for its handle.
class WaitSet {
public:
    // Throws LaunchError launch_failed if no descriptors are left.
    WaitSet() {
        const NoForks no_forks;
        epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
        if (!epoll_) throw_os_error("cannot make an epoll descriptor", errno);
        timer_ = Descriptor(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
        if (!timer_) throw_os_error("cannot make a timer", errno);
        add(wake_.handle());
        add(timer_.get());
    }

    // Can be polled for reading.
    WaitHandle handle() const noexcept { return epoll_.get(); }

    // Throws LaunchError launch_failed.
    void add(WaitHandle member) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = member;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, member, &event) != 0 && errno != EEXIST)
            throw_os_error("cannot add to an epoll descriptor", errno);
    }
    void remove(WaitHandle member) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, member, nullptr); }

    // Makes it ready, until it is rested.
    void wake() noexcept { wake_.set(); }

    // Makes it ready after this time, and again and again; zero: no longer.
    void set_timer(std::chrono::milliseconds interval) noexcept {
        if (interval == interval_) return;
        interval_ = interval;
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(interval);
        const std::chrono::nanoseconds rest = interval - seconds;
        const timespec time{static_cast<std::time_t>(seconds.count()), static_cast<long>(rest.count())};
        const itimerspec times{time, time};
        ::timerfd_settime(timer_.get(), 0, &times, nullptr);
    }

    // Takes back wake() and the timer. The members are others' to reset.
    void rest() noexcept {
        std::array<epoll_event, 8> ready;
        const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
        for (int i = 0; i < count; ++i) {
            const int member = ready[static_cast<std::size_t>(i)].data.fd;
            std::uint64_t expirations = 0;
            if (member == wake_.handle()) wake_.reset();
            if (member == timer_.get()) static_cast<void>(::read(member, &expirations, sizeof expirations) < 0);
        }
    }

    // From now on the members count. Here they always do.
    void listen() noexcept {}

private:
    Descriptor epoll_;
    Descriptor timer_;
    Event wake_;
    std::chrono::milliseconds interval_{0};
};

}  // namespace tr::detail
