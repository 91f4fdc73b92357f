// The free ranges of an arena. Neighbours are joined at once, and the best fit is found directly.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "tech_renaissance/detail/transport/shm/window.h"

namespace tr::detail::shm {

// No range crosses the border of a window.
class Ranges {
public:
    using Range = std::pair<std::uint64_t, std::uint64_t>;  // offset, nbytes

    // REQUIRES: the range lies in one window and overlaps no other.
    void add(std::uint64_t offset, std::uint64_t nbytes) {
        if (nbytes == 0) return;
        const auto next = by_offset_.lower_bound(offset);
        if (next != by_offset_.begin()) {
            const Range before = *std::prev(next);
            if (before.first + before.second == offset && !is_window_begin(offset)) {
                remove(before);
                offset = before.first;
                nbytes += before.second;
            }
        }
        if (next != by_offset_.end() && next->first == offset + nbytes && !is_window_begin(next->first)) {
            const Range after = *next;
            remove(after);
            nbytes += after.second;
        }
        by_offset_[offset] = nbytes;
        by_nbytes_.insert({nbytes, offset});
    }

    // Takes `nbytes` from the start of the smallest range that is large enough.
    std::optional<std::uint64_t> take(std::uint64_t nbytes) {
        const auto best = by_nbytes_.lower_bound({nbytes, 0});
        if (best == by_nbytes_.end()) return std::nullopt;
        const Range range(best->second, best->first);
        remove(range);
        add(range.first + nbytes, range.second - nbytes);
        return range.first;
    }

    std::optional<Range> take_largest() {
        if (by_nbytes_.empty()) return std::nullopt;
        const auto [nbytes, offset] = *by_nbytes_.rbegin();
        remove({offset, nbytes});
        return Range(offset, nbytes);
    }

private:
    void remove(Range range) {
        by_offset_.erase(range.first);
        by_nbytes_.erase({range.second, range.first});
    }

    std::map<std::uint64_t, std::uint64_t> by_offset_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> by_nbytes_;  // sizes and offsets
};

}  // namespace tr::detail::shm
