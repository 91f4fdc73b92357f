// The windows of an arena: the parts that a process maps, each when it is first needed.
//
// The first window has 16 MiB; each other is as large as all before it together. A block, and so the tensors in it,
// lies in a single window. Contract: spec/transport-shm.md, Windows.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>

#include "tech_renaissance/detail/transport/shm/segment.h"

namespace tr::detail::shm {

inline constexpr std::uint64_t first_window_nbytes = std::uint64_t{16} << 20;
inline constexpr std::size_t most_windows = 41;  // enough for 64-bit offsets

// The number of the window with this byte of an arena.
inline std::size_t window_number(std::uint64_t offset) noexcept {
    std::size_t number = 0;
    for (std::uint64_t rest = offset / first_window_nbytes; rest != 0; rest /= 2) ++number;
    return number;
}

inline std::uint64_t window_begin(std::size_t number) noexcept {
    return number == 0 ? 0 : first_window_nbytes << (number - 1);
}

// Where the window of a byte ends, if the arena is large enough.
inline std::uint64_t window_end(std::uint64_t offset) noexcept { return window_begin(window_number(offset) + 1); }

inline bool is_window_begin(std::uint64_t offset) noexcept {
    return offset % first_window_nbytes == 0 && (offset & (offset - 1)) == 0;
}

// One process's windows of a segment. Not thread-safe, but the mappings may be released in any thread.
class Windows {
public:
    // Throws std::system_error if the first window cannot be mapped. REQUIRES: the segment outlives it.
    explicit Windows(const Segment& segment) : segment_(segment), first_(map(0)) {}

    // The window with this byte of the segment, mapped. Throws std::system_error if it cannot be mapped.
    const std::shared_ptr<Mapping>& at(std::uint64_t offset) {
        if (offset < first_window_nbytes) return first_;
        const std::size_t number = window_number(offset);
        Window& window = others_[number];
        window.was_needed = true;
        if (!window.mapping) window.mapping = map_now(number);
        return window.mapping;
    }

    // Unmaps windows that have not been needed since the last time and are not in use. Call it now and then.
    void tidy() {
        for (Window& window : others_) {
            if (!window.was_needed) drop_unused(window);
            window.was_needed = false;
        }
    }

    // False in a fork.
    bool is_ours() const noexcept { return first_->is_ours(); }

    // Releases all windows. Nothing may be called afterwards.
    void close() {
        first_ = nullptr;
        others_ = {};
    }

private:
    struct Window {
        std::shared_ptr<Mapping> mapping;
        bool was_needed = false;
    };

    // If there is too little address space, unmaps even windows that will soon be needed again.
    std::shared_ptr<Mapping> map_now(std::size_t number) {
        try {
            return map(number);
        } catch (const std::system_error&) {
            for (Window& window : others_) drop_unused(window);
            return map(number);
        }
    }

    std::shared_ptr<Mapping> map(std::size_t number) const {
        const std::uint64_t begin = window_begin(number);
        return std::make_shared<Mapping>(segment_.descriptor(), begin,
                                         std::min(window_begin(number + 1), segment_.nbytes()));
    }

    // Nobody can start to use it in the meantime: users get it only from us or from another user.
    static void drop_unused(Window& window) {
        if (window.mapping.use_count() == 1) window.mapping = nullptr;
    }

    const Segment& segment_;
    std::shared_ptr<Mapping> first_;
    std::array<Window, most_windows> others_;  // by number; the first one's is unused
};

}  // namespace tr::detail::shm
