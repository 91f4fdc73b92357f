// Segments on Linux: a memfd has no name and cannot outlive its users; sealed, nobody can cut it under another's feet.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

#include "tech_renaissance/detail/system/descriptor_posix.h"
#include "tech_renaissance/detail/system/process_id_linux.h"

namespace tr::detail::shm {

using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free, "words of shared memory are plain 64-bit words");

[[noreturn]] inline void throw_system(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// The mapped bytes; unmapped when the last tensor in them, or segment, is gone.
class Mapping {
public:
    Mapping(int descriptor, std::size_t nbytes)
        : owner_(process_id()),
          nbytes_(nbytes),
          data_(::mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0)) {
        if (data_ == MAP_FAILED) throw_system("cannot map shared memory");
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { ::munmap(data_, nbytes_); }

    // False in a fork: what its copies of our objects do is no business of the other side.
    bool is_ours() const noexcept { return process_id() == owner_; }
    std::size_t nbytes() const noexcept { return nbytes_; }
    std::byte* at(std::uint64_t offset) const noexcept { return static_cast<std::byte*>(data_) + offset; }
    Word& word(std::uint64_t offset) const noexcept { return *reinterpret_cast<Word*>(at(offset)); }

private:
    pid_t owner_;
    std::size_t nbytes_;
    void* data_;
};

inline std::uint64_t page_nbytes() {
    static const auto nbytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return nbytes;
}

inline std::uint64_t page_up(std::uint64_t offset) {
    return (offset + page_nbytes() - 1) / page_nbytes() * page_nbytes();
}
inline std::uint64_t page_down(std::uint64_t offset) { return offset / page_nbytes() * page_nbytes(); }

// A segment that this process made. Throws std::system_error.
class Segment {
public:
    explicit Segment(std::size_t nbytes) : descriptor_(make(nbytes)) {
        mapping_ = std::make_shared<Mapping>(descriptor_.get(), nbytes);
    }

    // A sparse segment: as much address space as this process may map.
    static Segment arena() {
        constexpr std::size_t largest = std::size_t{1} << 40;
        constexpr std::size_t smallest = std::size_t{64} << 20;
        for (std::size_t nbytes = largest;; nbytes /= 2) {
            try {
                return Segment(nbytes);
            } catch (const std::system_error&) {
                if (nbytes / 2 < smallest) throw;
            }
        }
    }

    int descriptor() const noexcept { return descriptor_.get(); }
    const std::shared_ptr<Mapping>& mapping() const noexcept { return mapping_; }

    // Takes memory for a range of whole pages, and maps it. Throws std::system_error if there is none, instead of a
    // signal later.
    void commit(std::uint64_t begin, std::uint64_t end) const {
        int result = 0;
        do result = ::fallocate(descriptor_.get(), 0, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
        while (result != 0 && errno == EINTR);
        if (result != 0) throw_system("cannot take shared memory");
        populate(begin, end);
    }

    // Returns the memory of a range of whole pages to the system; what stood there is gone.
    void give_back(std::uint64_t begin, std::uint64_t end) const {
        ::madvise(mapping_->at(begin), end - begin, MADV_REMOVE);
    }

    // Maps the pages of a range in one step, unless some of it has no memory: then that would take it.
    void populate_taken(std::uint64_t begin, std::uint64_t end) const {
        const off_t hole = ::lseek(descriptor_.get(), static_cast<off_t>(begin), SEEK_HOLE);
        if (hole >= static_cast<off_t>(end)) populate(page_down(begin), std::min(page_up(end), mapping_->nbytes()));
    }

    // Whether the segment has taken so much memory in all. Nothing that is larger can be in it.
    bool has_taken(std::uint64_t nbytes) const {
        struct stat status{};
        return ::fstat(descriptor_.get(), &status) == 0 && static_cast<std::uint64_t>(status.st_blocks) >= nbytes / 512;
    }

private:
    // An older kernel maps pages as they are touched.
    void populate(std::uint64_t begin, std::uint64_t end) const {
        constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, since Linux 5.14
        ::madvise(mapping_->at(begin), end - begin, populate_write);
    }

    static Descriptor make(std::size_t nbytes) {
        rlimit limit{};
        if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
            nbytes > limit.rlim_cur) {  // trying would be answered by a signal
            errno = EFBIG;
            throw_system("cannot size shared memory");
        }
        Descriptor descriptor(::memfd_create("tech_renaissance", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!descriptor) throw_system("cannot make shared memory");
        descriptor = above_standard_streams(std::move(descriptor));
        if (::ftruncate(descriptor.get(), static_cast<off_t>(nbytes)) != 0) throw_system("cannot size shared memory");
        if (::fcntl(descriptor.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
            throw_system("cannot seal shared memory");
        }
        return descriptor;
    }

    Descriptor descriptor_;
    std::shared_ptr<Mapping> mapping_;
};

}  // namespace tr::detail::shm
