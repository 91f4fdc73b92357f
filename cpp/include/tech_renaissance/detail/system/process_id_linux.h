// The id of this process, without a system call.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <new>

namespace tr::detail {

using ProcessId = std::atomic<pid_t>;
static_assert(ProcessId::is_always_lock_free, "it may be used anywhere");

// A page that is empty in a fork, however it was made; null if the kernel does not support that (before Linux 4.14).
inline ProcessId* page_wiped_on_fork() noexcept {
    constexpr int wipe_on_fork = 18;  // MADV_WIPEONFORK, missing from older headers
    constexpr std::size_t nbytes = 1;
    void* page = ::mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (::madvise(page, nbytes, wipe_on_fork) == 0) return new (page) ProcessId(0);
    ::munmap(page, nbytes);
    return nullptr;
}

inline pid_t process_id() noexcept {
    static ProcessId* const known = page_wiped_on_fork();
    if (known == nullptr) return ::getpid();
    pid_t id = known->load(std::memory_order_relaxed);
    if (id == 0) {
        id = ::getpid();
        known->store(id, std::memory_order_relaxed);
    }
    return id;
}

}  // namespace tr::detail
