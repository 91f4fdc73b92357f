// What becomes of an arena when the system has no more memory, or this process can map no more. Has its own mmap, which
// sanitizers of threads do not survive.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>

#include "check.h"
#include "tech_renaissance/detail/transport/shm/arena.h"

using tr::ArenaFull;
namespace shm = tr::detail::shm;

namespace {

std::atomic<int> windows_left{-1};  // that can be mapped before address space runs out; negative: any number
std::atomic<bool> famine{false};

}  // namespace

// In place of the C library's: a process that may not map much more.
extern "C" void* mmap(void* where, std::size_t nbytes, int protection, int flags, int descriptor, off_t offset) {
    if ((flags & MAP_SHARED) != 0 && windows_left >= 0 && windows_left-- == 0) {
        windows_left = 0;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return reinterpret_cast<void*>(::syscall(SYS_mmap, where, nbytes, protection, flags, descriptor, offset));
}

// In place of the C library's: a system that may have no memory left.
extern "C" int fallocate(int descriptor, int mode, off_t offset, off_t nbytes) {
    if (famine) {
        errno = ENOSPC;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fallocate, descriptor, mode, offset, nbytes));
}

TEST("a part of an arena that cannot be mapped is not given out, and what is mapped serves on") {
    const auto arena = std::make_shared<shm::Arena>(shm::Segment(std::size_t{64} << 20));
    const shm::BlockPtr large = arena->allocate(20 << 20);
    windows_left = 0;
    const shm::BlockPtr mapped = arena->allocate(14 << 20);
    CHECK_THROWS(ArenaFull, "arena_full", arena->allocate(14 << 20));
    const shm::BlockPtr small = arena->allocate(1 << 20);
    windows_left = -1;
    const shm::BlockPtr later = arena->allocate(14 << 20);
}

TEST("windows that nothing needs are unmapped, at once where address space is short") {
    const shm::Segment segment(std::uint64_t{256} << 20);
    shm::Windows windows(segment);
    std::weak_ptr<shm::Mapping> needed = windows.at(16 << 20);
    const std::shared_ptr<shm::Mapping> used = windows.at(32 << 20);
    windows.tidy();
    CHECK(!needed.expired());
    windows.tidy();
    CHECK(needed.expired());
    CHECK(used == windows.at(33 << 20));
    needed = windows.at(16 << 20);
    windows_left = 0;
    bool refused = false;
    try {
        windows.at(100 << 20);
    } catch (const std::system_error&) {
        refused = true;
    }
    CHECK(refused);
    CHECK(needed.expired());
    windows_left = -1;
}

TEST("a system without memory is a full arena, not a signal") {
    const auto arena = std::make_shared<shm::Arena>(shm::Segment(std::size_t{64} << 20));
    const shm::BlockPtr early = arena->allocate(1000);
    famine = true;
    CHECK_THROWS(ArenaFull, "arena_full", arena->allocate(10 << 20));
    CHECK(arena->allocate(1000) != nullptr);  // of what was taken before
    famine = false;
    CHECK(arena->allocate(10 << 20) != nullptr);
}

TEST("a limit of file sizes makes arenas smaller, and is no signal") {
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{std::size_t{100} << 20, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    CHECK_EQ(std::size_t{64} << 20, shm::Segment::arena().nbytes());
    bool refused = false;
    try {
        shm::Segment segment(std::size_t{101} << 20);
    } catch (const std::system_error&) {
        refused = true;
    }
    CHECK(refused);
    ::setrlimit(RLIMIT_FSIZE, &before);
}

TEST("a limit of file sizes does not keep a word from being stored, and is no signal") {
    const shm::MappedSegment whole(std::size_t{1} << 20);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{100'004, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    for (const std::uint64_t offset : {64U, 100'000U, 1'000'000U}) {  // within it, across it, beyond it
        whole.segment.store(offset, offset + (std::uint64_t{1} << 40));
        CHECK_EQ(offset + (std::uint64_t{1} << 40), whole.mapping.word(offset).load());
    }
    ::setrlimit(RLIMIT_FSIZE, &before);
}

#else
#include "check.h"
#endif
