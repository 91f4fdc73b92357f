// Segments on Linux: a memfd has no name and cannot outlive its users; once sealed, nobody can shrink it while others
// use it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
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

inline std::uint64_t page_nbytes() {
    static const auto nbytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return nbytes;
}

inline std::uint64_t page_up(std::uint64_t offset) {
    return (offset + page_nbytes() - 1) / page_nbytes() * page_nbytes();
}
inline std::uint64_t page_down(std::uint64_t offset) { return offset / page_nbytes() * page_nbytes(); }

// Whether smaller tensors and bodies are in a segment's memory is not checked: reading where there is none is harmless
// here.
inline constexpr std::uint64_t unchecked_nbytes = 1 << 20;

// A segment that this process made.
class Segment {
public:
    // Throws std::system_error.
    explicit Segment(std::uint64_t nbytes) : descriptor_(make(nbytes)), nbytes_(nbytes) {}

    // A sparse segment of `nbytes`, or as much as this process may put into a file. Throws std::system_error.
    static Segment arena(std::uint64_t nbytes = std::uint64_t{1} << 40) {
        constexpr std::uint64_t smallest = std::uint64_t{64} << 20;
        for (;; nbytes /= 2) {
            try {
                return Segment(nbytes);
            } catch (const std::system_error&) {
                if (nbytes / 2 < smallest) throw;
            }
        }
    }

    int descriptor() const noexcept { return descriptor_.get(); }
    std::uint64_t nbytes() const noexcept { return nbytes_; }
    // Mappings of it stay.
    void close() noexcept { descriptor_.close(); }

    // Allocates memory for a range of whole pages. Throws std::system_error if there is none, which avoids a signal
    // later.
    void commit(std::uint64_t begin, std::uint64_t end) const {
        if (allocate(0, begin, end) != 0) throw_system("cannot take shared memory");
    }

    // Returns the memory of a range of whole pages to the system. Its contents are lost.
    void give_back(std::uint64_t begin, std::uint64_t end) const {
        allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, end);
    }

    // Whether every page of a range has memory.
    bool has_all(std::uint64_t begin, std::uint64_t end) const {
        return ::lseek(descriptor_.get(), static_cast<off_t>(begin), SEEK_HOLE) >= static_cast<off_t>(end);
    }

    // Whether the other side can have written all of a range. If not, it must not be read.
    bool can_hold(std::uint64_t begin, std::uint64_t end) const {
        const std::uint64_t nbytes = end - begin;
        if (nbytes <= unchecked_nbytes) return true;
        struct stat status{};
        return ::fstat(descriptor_.get(), &status) == 0 && static_cast<std::uint64_t>(status.st_blocks) >= nbytes / 512;
    }

    // Copies bytes, which need not be mapped. Throws std::system_error. REQUIRES: the bytes are in the segment.
    void read(std::uint64_t begin, char* bytes, std::size_t nbytes) const {
        while (nbytes > 0) {
            const ssize_t count = ::pread(descriptor_.get(), bytes, nbytes, static_cast<off_t>(begin));
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) throw_system("cannot read shared memory");
            bytes += count;
            begin += static_cast<std::uint64_t>(count);
            nbytes -= static_cast<std::size_t>(count);
        }
    }

    // Stores a word, whose place need not be mapped. If that cannot be done, the block stays lent.
    void store(std::uint64_t offset, std::uint64_t word) const noexcept;

private:
    int allocate(int mode, std::uint64_t begin, std::uint64_t end) const {
        int result = 0;
        do result = ::fallocate(descriptor_.get(), mode, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
        while (result != 0 && errno == EINTR);
        return result;
    }

    static Descriptor make(std::uint64_t nbytes) {
        if (!may_reach(nbytes)) {
            errno = EFBIG;
            throw_system("cannot size shared memory");
        }
        const NoForks no_forks;
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
    std::uint64_t nbytes_;
};

// A mapped part of a segment, unmapped with this object. Offsets count from the segment's beginning.
class Mapping {
public:
    // Throws std::system_error.
    Mapping(int descriptor, std::uint64_t begin, std::uint64_t end)
        : owner_(process_id()),
          begin_(begin),
          end_(end),
          data_(::mmap(nullptr, end - begin, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor,
                       static_cast<off_t>(begin))) {
        if (data_ == MAP_FAILED) throw_system("cannot map shared memory");
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { ::munmap(data_, end_ - begin_); }

    // False in a fork, where copies of our objects must not affect the other side.
    bool is_ours() const noexcept { return process_id() == owner_; }
    std::uint64_t end() const noexcept { return end_; }
    std::byte* at(std::uint64_t offset) const noexcept { return static_cast<std::byte*>(data_) + (offset - begin_); }
    Word& word(std::uint64_t offset) const noexcept { return *reinterpret_cast<Word*>(at(offset)); }

    // Makes the pages of a range present in one step. Older kernels make them present as they are touched.
    void populate(std::uint64_t begin, std::uint64_t end) const noexcept {
        constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, since Linux 5.14
        const std::uint64_t first = page_down(begin);
        ::madvise(at(first), std::min(page_up(end), end_) - first, populate_write);
    }

    // Whether the other side can have written all of a range. If not, it must not be read.
    bool can_hold(const Segment& segment, std::uint64_t begin, std::uint64_t end) const {
        return segment.can_hold(begin, end);
    }

    std::uint64_t populated_to = 0;  // how far a reader has populated it

private:
    pid_t owner_;
    std::uint64_t begin_;
    std::uint64_t end_;
    void* data_;
};

inline void Segment::store(std::uint64_t offset, std::uint64_t word) const noexcept {
    if (may_reach(offset + sizeof word)) {
        while (::pwrite(descriptor(), &word, sizeof word, static_cast<off_t>(offset)) < 0 && errno == EINTR) {
        }
        return;
    }
    try {  // the limit is not for what is mapped
        const std::uint64_t page = page_down(offset);
        Mapping(descriptor(), page, page + page_nbytes()).word(offset).store(word, std::memory_order_release);
    } catch (const std::system_error&) {
    }
}

// A segment that is mapped as a whole.
struct MappedSegment {
    explicit MappedSegment(std::uint64_t nbytes) : segment(nbytes) {}

    Segment segment;
    Mapping mapping{segment.descriptor(), 0, segment.nbytes()};
};

}  // namespace tr::detail::shm
