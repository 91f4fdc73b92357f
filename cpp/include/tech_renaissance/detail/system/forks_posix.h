// Forks of this process. A fork has copies of all descriptors, among them locks, lifelines and doorbells, which it
// would keep alive after the host's death. So they are closed in it, before anything else runs there.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <mutex>
#include <new>
#include <vector>

namespace tr::detail {

// The descriptors that this process holds and its forks do not keep.
class HeldDescriptors {
public:
    static HeldDescriptors& instance() {
        static HeldDescriptors& held = *new HeldDescriptors;  // never destroyed, for descriptors in static objects
        return held;
    }

    // 0 in the original process, and in each fork one more than in its parent.
    unsigned generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

    // No fork happens while it is locked.
    std::recursive_mutex& mutex() noexcept { return mutex_; }

    // Throws std::bad_alloc, and then closes the descriptor.
    void add(int number) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        const auto index = static_cast<std::size_t>(number);
        try {
            if (index >= held_.size()) held_.resize(index + growth);
        } catch (const std::bad_alloc&) {
            ::close(number);
            throw;
        }
        held_[index] = true;
    }

    // Like close(2).
    int close(int number) noexcept {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        held_[static_cast<std::size_t>(number)] = false;
        return ::close(number);
    }

private:
    static constexpr std::size_t growth = 256;

    HeldDescriptors() {
        ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                         [] { instance().begin_fork(); });
    }

    void begin_fork() noexcept {
        new (&mutex_) std::recursive_mutex;  // a thread of the parent had locked the old one
        generation_.fetch_add(1, std::memory_order_relaxed);
        for (std::size_t number = 0; number < held_.size(); ++number) {
            if (held_[number]) ::close(static_cast<int>(number));
            held_[number] = false;
        }
    }

    std::atomic<unsigned> generation_{0};
    std::recursive_mutex mutex_;  // recursive: a signal handler may fork
    std::vector<bool> held_;      // by number
};

inline unsigned fork_generation() noexcept { return HeldDescriptors::instance().generation(); }

// While it lives, no fork happens. Use it between the system call that makes a descriptor and the Descriptor that holds
// it.
class NoForks {
public:
    NoForks() : lock_(HeldDescriptors::instance().mutex()) {}

private:
    std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace tr::detail
