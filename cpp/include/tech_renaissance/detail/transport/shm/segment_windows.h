// Segments on Windows: unnamed sections of the paging file.
//
// An arena is only reserved: its pages are committed step by step, and stay so until it is gone. Touching a page that
// is not committed is an access violation, so a reader asks can_hold() first.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <system_error>

#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail::shm {

using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free, "words of shared memory are plain 64-bit words");

[[noreturn]] inline void throw_system(const char* what) {
    throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(), what);
}

inline SYSTEM_INFO system_info() noexcept {
    SYSTEM_INFO info{};
    ::GetSystemInfo(&info);
    return info;
}

inline std::uint64_t page_nbytes() {
    static const std::uint64_t nbytes = system_info().dwPageSize;
    return nbytes;
}

inline std::uint64_t page_up(std::uint64_t offset) {
    return (offset + page_nbytes() - 1) / page_nbytes() * page_nbytes();
}
inline std::uint64_t page_down(std::uint64_t offset) { return offset / page_nbytes() * page_nbytes(); }

constexpr DWORD low_half(std::uint64_t number) noexcept { return static_cast<DWORD>(number & 0xFFFFFFFF); }
constexpr DWORD high_half(std::uint64_t number) noexcept { return static_cast<DWORD>(number >> 32); }

// Part of a section, mapped; it may begin anywhere. Unmapped with this object.
class View {
public:
    // Throws std::system_error.
    View(HANDLE section, std::uint64_t begin, std::uint64_t end) {
        constexpr std::uint64_t granule = 1 << 16;  // where mapping may begin
        const std::uint64_t first = begin / granule * granule;
        base_ = ::MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, high_half(first), low_half(first),
                                static_cast<SIZE_T>(end - first));
        if (base_ == nullptr) throw_system("cannot map shared memory");
        data_ = static_cast<std::byte*>(base_) + (begin - first);
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { ::UnmapViewOfFile(base_); }

    std::byte* data() const noexcept { return data_; }

    // How many bytes are committed from `position` on, without a gap.
    std::uint64_t committed_nbytes(std::uint64_t position = 0) const noexcept {
        MEMORY_BASIC_INFORMATION region{};
        const std::byte* address = data_ + position;
        if (::VirtualQuery(address, &region, sizeof region) == 0 || region.State != MEM_COMMIT) return 0;
        return static_cast<std::uint64_t>(static_cast<std::byte*>(region.BaseAddress) + region.RegionSize - address);
    }

private:
    void* base_;
    std::byte* data_;
};

// Touching what is not committed is never harmless.
inline constexpr std::uint64_t unchecked_nbytes = 0;

// A segment that this process made.
class Segment {
public:
    // With memory. Throws std::system_error.
    explicit Segment(std::uint64_t nbytes) : Segment(nbytes, SEC_COMMIT) {}

    // A segment without memory, of `nbytes` or as much as the system allows. Throws std::system_error.
    static Segment arena(std::uint64_t nbytes = std::uint64_t{1} << 36) {
        constexpr std::uint64_t smallest = std::uint64_t{64} << 20;
        for (;; nbytes /= 2) {
            try {
                return Segment(nbytes, SEC_RESERVE);
            } catch (const std::system_error&) {
                if (nbytes / 2 < smallest) throw;
            }
        }
    }

    HANDLE descriptor() const noexcept { return handle_.get(); }
    std::uint64_t nbytes() const noexcept { return nbytes_; }
    // Mappings of it stay.
    void close() noexcept { handle_.close(); }

    // Allocates memory for a range of whole pages. Throws std::system_error if there is none.
    void commit(std::uint64_t begin, std::uint64_t end) const {
        constexpr std::uint64_t beyond = 1 << 16;  // wine forgets what is committed at the very end of a view
        const View view(handle_.get(), begin, std::min(end + beyond, nbytes_));
        if (::VirtualAlloc(view.data(), static_cast<SIZE_T>(end - begin), MEM_COMMIT, PAGE_READWRITE) == nullptr) {
            throw_system("cannot take shared memory");
        }
    }

    // Tells the system that the contents of a range of whole pages are not needed. The memory stays committed.
    void give_back(std::uint64_t begin, std::uint64_t end) const {
        const View view(handle_.get(), begin, end);
        ::VirtualAlloc(view.data(), static_cast<SIZE_T>(end - begin), MEM_RESET, PAGE_READWRITE);
    }

    // Whether every page of a range has memory. Nobody needs to know it, because pages cannot be populated.
    bool has_all(std::uint64_t, std::uint64_t) const noexcept { return false; }

    // Whether the other side can have written all of a range. If not, it must not be touched. Throws std::system_error.
    bool can_hold(std::uint64_t begin, std::uint64_t end) const {
        return View(handle_.get(), begin, end).committed_nbytes() >= end - begin;
    }

    // Copies bytes, which need not be mapped. Throws std::system_error. REQUIRES: can_hold().
    void read(std::uint64_t begin, char* bytes, std::size_t nbytes) const {
        const View view(handle_.get(), begin, begin + nbytes);
        std::memcpy(bytes, view.data(), nbytes);
    }

    // Stores a word, whose place need not be mapped, unless the other side has named a block that it does not have.
    void store(std::uint64_t offset, std::uint64_t word) const noexcept {
        try {
            const View view(handle_.get(), offset, offset + sizeof word);
            if (view.committed_nbytes() != 0) reinterpret_cast<Word*>(view.data())->store(word);
        } catch (const std::system_error&) {  // the block stays lent
        }
    }

private:
    Segment(std::uint64_t nbytes, DWORD kind)
        : handle_(::CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE | kind, high_half(nbytes),
                                       low_half(nbytes), nullptr)),
          nbytes_(nbytes) {
        if (!handle_) throw_system("cannot make shared memory");
    }

    Handle handle_;
    std::uint64_t nbytes_;
};

// A mapped part of a segment, unmapped with this object. Offsets count from the segment's beginning.
class Mapping {
public:
    // Throws std::system_error.
    Mapping(HANDLE section, std::uint64_t begin, std::uint64_t end)
        : begin_(begin), end_(end), view_(section, begin, end) {}
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    // There are no forks.
    bool is_ours() const noexcept { return true; }
    std::uint64_t end() const noexcept { return end_; }
    std::byte* at(std::uint64_t offset) const noexcept { return view_.data() + (offset - begin_); }
    Word& word(std::uint64_t offset) const noexcept { return *reinterpret_cast<Word*>(at(offset)); }

    // Does nothing: Windows makes pages present only as they are touched.
    void populate(std::uint64_t, std::uint64_t) const noexcept {}

    // Whether the other side can have written all of a range. If not, it must not be touched. For one thread at a time.
    bool can_hold(const Segment&, std::uint64_t begin, std::uint64_t end) noexcept {
        if (begin >= known_begin_ && begin < known_end_ && end <= known_end_) return true;
        const std::uint64_t first = page_down(begin);
        const std::uint64_t after = first + view_.committed_nbytes(first - begin_);
        const bool is_other = first > known_end_ || after < known_begin_;
        known_begin_ = is_other ? first : std::min(first, known_begin_);
        known_end_ = is_other ? after : std::max(after, known_end_);
        return end <= after;
    }

    std::uint64_t populated_to = 0;  // how far a reader has populated it

private:
    std::uint64_t begin_;
    std::uint64_t end_;
    View view_;
    // Pages that are committed, which they remain.
    std::uint64_t known_begin_ = 0;
    std::uint64_t known_end_ = 0;
};

// A segment that is mapped as a whole.
struct MappedSegment {
    explicit MappedSegment(std::uint64_t nbytes) : segment(nbytes) {}

    Segment segment;
    Mapping mapping{segment.descriptor(), 0, segment.nbytes()};
};

}  // namespace tr::detail::shm
