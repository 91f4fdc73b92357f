// File descriptors and pipes that close themselves, and never leak into another program.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/launch_failed.h"
#include "tech_renaissance/detail/system/forks_posix.h"

namespace tr::detail {

using WaitHandle = int;  // a descriptor that can be polled for reading
constexpr WaitHandle no_handle = -1;
using SharedHandle = int;  // a descriptor that a child may inherit

[[noreturn]] inline void throw_os_error(const std::string& what, int error) {
    throw_launch_failed(what + ": " + std::generic_category().message(error));
}

// Owns a descriptor. In a fork of the process it has none: its copy was closed, and something else may have the number.
class Descriptor {
public:
    Descriptor() = default;
    // Takes over a descriptor, even if this fails (std::bad_alloc). A negative number means none.
    explicit Descriptor(int number) : number_(number) {
        if (number >= 0) HeldDescriptors::instance().add(number);
    }
    Descriptor(Descriptor&& other) noexcept
        : number_(std::exchange(other.number_, -1)), generation_(other.generation_) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        std::swap(generation_, other.generation_);
        return *this;
    }
    ~Descriptor() { close(); }

    int get() const noexcept { return generation_ == fork_generation() ? number_ : -1; }
    explicit operator bool() const noexcept { return get() >= 0; }
    // Returns 0, or -1 with errno: on a network file system, a full disk may only show now. Not retried after EINTR,
    // because another thread may have the number by then.
    int close() noexcept {
        const int number = get();
        number_ = -1;
        return number < 0 ? 0 : HeldDescriptors::instance().close(number);
    }

private:
    int number_ = -1;
    unsigned generation_ = fork_generation();
};

struct Pipe {
    Descriptor read;
    Descriptor write;
};

// How many of our descriptors a child inherits at most.
constexpr int max_inherited = 5;

// In a child, the numbers 0 to 3 and the ones after them for inherited descriptors have a meaning. So a descriptor that
// will be copied to one of them must not have such a number in the host.
constexpr int first_inherited_number = 4;
constexpr int first_free_number = first_inherited_number + max_inherited;

inline void move_above_standard_streams(Descriptor& descriptor) {
    if (descriptor.get() >= first_free_number) return;
    const NoForks no_forks;
    Descriptor higher(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, first_free_number));
    if (!higher) throw_os_error("cannot copy a descriptor", errno);
    descriptor = std::move(higher);
}

inline Descriptor above_standard_streams(Descriptor descriptor) {
    move_above_standard_streams(descriptor);
    return descriptor;
}

// Programs that this process starts get neither end. Throws LaunchError launch_failed.
inline Pipe make_pipe() {
    const NoForks no_forks;
    std::array<int, 2> ends{-1, -1};
#if defined(__APPLE__)
    const bool made = ::pipe(ends.data()) == 0;
    for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
#else
    const bool made = ::pipe2(ends.data(), O_CLOEXEC) == 0;
#endif
    if (!made) throw_os_error("cannot make a pipe", errno);
    Descriptor write(ends[1]);
    Descriptor read(ends[0]);
    return {above_standard_streams(std::move(read)), above_standard_streams(std::move(write))};
}

// Whether this process may make a file so large, or write that far into one (RLIMIT_FSIZE). Trying would raise SIGXFSZ,
// which ends a program that does not ignore it.
inline bool may_reach(std::uint64_t nbytes) noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || nbytes <= limit.rlim_cur;
}

inline void set_nonblocking(const Descriptor& descriptor) {
    ::fcntl(descriptor.get(), F_SETFL, ::fcntl(descriptor.get(), F_GETFL) | O_NONBLOCK);
}

inline int poll_timeout(std::optional<Clock::time_point> deadline) {
    if (!deadline) return -1;
    return static_cast<int>(std::min<std::chrono::milliseconds::rep>(left_until(*deadline).count(), INT_MAX));
}

// poll(), but signals do not end it early. Skips entries with a negative descriptor. False, with nothing ready, if the
// system refuses to wait: it does for more entries than RLIMIT_NOFILE allows descriptors, and a program may lower that
// limit, as sandboxes do, while those that it has stay open. Then this takes a moment, after which the caller looks
// itself whether something is ready.
template <std::size_t count>
bool poll_until(std::array<pollfd, count>& entries, std::optional<Clock::time_point> deadline = std::nullopt) {
    while (::poll(entries.data(), static_cast<nfds_t>(count), poll_timeout(deadline)) < 0) {
        if (errno == EINTR) continue;
        for (pollfd& entry : entries) entry.revents = 0;
        constexpr std::chrono::milliseconds look(5);
        std::this_thread::sleep_for(deadline ? std::min(look, left_until(*deadline)) : look);
        return false;
    }
    return true;
}

}  // namespace tr::detail
