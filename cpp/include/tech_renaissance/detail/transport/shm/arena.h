// The owner's side of an arena: which blocks there are, who has them, and where the next one goes.
//
// Its books are in memory of its own; in the segment it reads one word per block, the lease that the other side has
// returned. Rules: spec/transport-shm.md, Blocks and leases.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/transport/shm/frame.h"
#include "tech_renaissance/detail/transport/shm/segment.h"
#include "tech_renaissance/error.h"

namespace tr::detail::shm {

inline constexpr std::uint64_t block_prefix_nbytes = 64;  // before a block's contents: the word with the returned lease
inline constexpr std::uint64_t growth_nbytes = 1 << 16;   // a multiple of every page size
inline constexpr std::chrono::seconds tidy_interval(10);

// The size of the block that holds so many bytes, at most an eighth larger (or 255 bytes).
inline std::uint64_t size_class(std::uint64_t nbytes) {
    std::uint64_t step = 256;
    while (step <= nbytes / 16) step *= 2;
    return (nbytes + step - 1) / step * step;
}

// Free address space: from, nbytes. Sorted when joined.
class Ranges {
public:
    void add(std::uint64_t offset, std::uint64_t nbytes) {
        if (nbytes != 0) ranges_.emplace_back(offset, nbytes);
    }

    // Takes bytes from the start of the smallest range that has them.
    std::optional<std::uint64_t> take(std::uint64_t nbytes) {
        auto best = ranges_.end();
        for (auto range = ranges_.begin(); range != ranges_.end(); ++range) {
            if (range->second < nbytes) continue;
            if (best == ranges_.end() || std::tie(range->second, range->first) < std::tie(best->second, best->first))
                best = range;
        }
        if (best == ranges_.end()) return std::nullopt;
        const std::uint64_t offset = best->first;
        best->first += nbytes;
        best->second -= nbytes;
        if (best->second == 0) ranges_.erase(best);
        return offset;
    }

    std::optional<std::pair<std::uint64_t, std::uint64_t>> take_largest() {
        const auto largest = std::max_element(ranges_.begin(), ranges_.end(),
                                              [](const auto& a, const auto& b) { return a.second < b.second; });
        if (largest == ranges_.end()) return std::nullopt;
        const auto range = *largest;
        ranges_.erase(largest);
        return range;
    }

    void join() {
        std::sort(ranges_.begin(), ranges_.end());
        std::vector<std::pair<std::uint64_t, std::uint64_t>> joined;
        for (const auto& range : ranges_) {
            if (!joined.empty() && joined.back().first + joined.back().second == range.first) {
                joined.back().second += range.second;
            } else {
                joined.push_back(range);
            }
        }
        ranges_ = std::move(joined);
    }

private:
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

class Arena;

// A range of an arena, free again when this object is gone and its lease is returned. May be destroyed in any thread.
class Block {
public:
    Block(std::shared_ptr<Arena> arena, std::uint64_t offset, std::uint64_t nbytes)
        : arena_(std::move(arena)), offset_(offset), nbytes_(nbytes) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block();

    std::uint64_t offset() const noexcept { return offset_; }
    std::uint64_t nbytes() const noexcept { return nbytes_; }
    // Of the tensor in it: our own copy, which the other side cannot spoil.
    const TsrHeaderBytes& header() const noexcept { return header_; }
    void set_header(const TsrHeaderBytes& header) noexcept { header_ = header; }

private:
    friend class Arena;
    std::shared_ptr<Arena> arena_;
    std::uint64_t offset_;
    std::uint64_t nbytes_;
    std::uint64_t lease_ = 0;  // the last number it was lent under, or 0
    TsrHeaderBytes header_;
};

using BlockPtr = std::shared_ptr<Block>;

// Allocates blocks in a segment that this side owns. Free ranges are of two kinds: gaps have memory, holes are address
// space only. All of a new arena is one hole. Thread-safe.
class Arena : public std::enable_shared_from_this<Arena> {
public:
    explicit Arena(Segment segment) : segment_(std::move(segment)) { holes_.add(0, segment_.mapping()->nbytes()); }

    const Segment& segment() const noexcept { return segment_; }

    // A block with room for `nbytes` after its prefix. Throws ArenaFull.
    BlockPtr allocate(std::uint64_t nbytes) {
        const std::uint64_t size = size_class(nbytes + block_prefix_nbytes);
        std::uint64_t offset = 0;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            offset = find(size);
            live_ += size;
            free_ -= size;
            least_free_ = std::min(least_free_, free_);
        }
        return std::make_shared<Block>(shared_from_this(), offset, size);
    }

    // Names the block to the other side: the lease number under which it gets it now.
    Lent lend(Block& block) {
        const std::lock_guard<std::mutex> lock(mutex_);
        block.lease_ = next_lease_++;
        return {block.offset_, block.lease_};
    }

    // The other side is gone: what it had is returned.
    void forget_leases() {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto& [size, blocks] : lent_) {
            for (const LentBlock& block : blocks) take_back(block.offset, size);
        }
        lent_.clear();
        first_lease_ = next_lease_;
    }

    // Gives memory back to the system that was not needed for ten seconds. Cheap when called often.
    void tidy() {
        const std::lock_guard<std::mutex> lock(mutex_);
        const Clock::time_point now = Clock::now();
        if (now - tidied_at_ < tidy_interval) return;
        tidied_at_ = now;
        join();
        give_back(least_free_);
        least_free_ = free_;
        most_live_ = live_;
    }

    // Bytes in blocks that either side has, and memory taken from the system.
    std::pair<std::uint64_t, std::uint64_t> usage() {
        const std::lock_guard<std::mutex> lock(mutex_);
        join();
        return {live_, live_ + free_};
    }

private:
    friend class Block;

    struct LentBlock {
        std::uint64_t offset;
        std::uint64_t lease;
    };

    // The owner's side lets go; the block is free when the other side has, too.
    void release(const Block& block) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (is_returned(block.offset_, block.lease_)) {
            take_back(block.offset_, block.nbytes_);
        } else {
            lent_[block.nbytes_].push_back({block.offset_, block.lease_});
        }
    }

    // A lease to a reader that is gone counts as returned.
    bool is_returned(std::uint64_t offset, std::uint64_t lease) const {
        return lease < first_lease_ || segment_.mapping()->word(offset).load(std::memory_order_acquire) == lease;
    }

    void take_back(std::uint64_t offset, std::uint64_t size) {
        pool_[size].push_back(offset);
        live_ -= size;
        free_ += size;
    }

    // A free block: of the pool, of those that the other side has returned, from the gaps, from all that is free, or of
    // new memory.
    std::uint64_t find(std::uint64_t size) {
        if (const auto pooled = take_pooled(size)) return *pooled;
        std::optional<std::uint64_t> offset = gaps_.take(size);
        if (!offset) {
            join();
            offset = gaps_.take(size);
        }
        if (!offset) offset = commit(size);
        // Where a block begins now there may have been elements: they must not be taken for a returned lease.
        segment_.mapping()->word(*offset).store(0, std::memory_order_relaxed);
        return *offset;
    }

    std::optional<std::uint64_t> take_pooled(std::uint64_t size) {
        std::vector<std::uint64_t>& pool = pool_[size];
        if (pool.empty()) {
            std::vector<LentBlock>& lent = lent_[size];
            const auto returned = std::find_if(lent.begin(), lent.end(), [this](const LentBlock& block) {
                return is_returned(block.offset, block.lease);
            });
            if (returned == lent.end()) return std::nullopt;
            take_back(returned->offset, size);
            lent.erase(returned);
        }
        const std::uint64_t offset = pool.back();  // the hottest
        pool.pop_back();
        return offset;
    }

    // Makes gaps of all that is free, neighbours joined.
    void join() {
        for (auto& [size, blocks] : lent_) {
            const std::uint64_t nbytes = size;
            const auto kept = std::remove_if(blocks.begin(), blocks.end(), [&](const LentBlock& block) {
                const bool returned = is_returned(block.offset, block.lease);
                if (returned) take_back(block.offset, nbytes);
                return returned;
            });
            blocks.erase(kept, blocks.end());
        }
        for (auto& [size, offsets] : pool_) {
            for (const std::uint64_t offset : offsets) gaps_.add(offset, size);
            offsets.clear();
        }
        gaps_.join();
    }

    // Takes memory from the system; before that, gives back what there would be beyond a 32nd more than was live at
    // once.
    std::uint64_t commit(std::uint64_t size) {
        const std::uint64_t wanted = page_up(std::max(size, growth_nbytes));
        most_live_ = std::max(most_live_, live_ + size);
        const std::uint64_t allowed = most_live_ + std::max(most_live_ / 32, growth_nbytes);
        if (live_ + free_ + wanted > allowed) give_back(live_ + free_ + wanted - allowed);
        const std::optional<std::uint64_t> offset = holes_.take(wanted);
        try {
            if (!offset)
                throw std::system_error(std::make_error_code(std::errc::not_enough_memory),
                                        "no address space left in the arena");
            segment_.commit(*offset, *offset + wanted);
        } catch (const std::system_error& error) {
            if (offset) holes_.add(*offset, wanted);
            holes_.join();
            throw ArenaFull("no shared memory for " + std::to_string(size) + " more bytes: " + error.what());
        }
        free_ += wanted;
        gaps_.add(*offset + size, wanted - size);
        return *offset;
    }

    // Turns the largest gaps into holes, about so many bytes.
    void give_back(std::uint64_t nbytes) {
        while (nbytes >= page_nbytes()) {
            const auto gap = gaps_.take_largest();
            if (!gap) break;
            const std::uint64_t begin = page_up(gap->first);
            const std::uint64_t end = std::min(page_down(gap->first + gap->second), begin + page_down(nbytes));
            if (end <= begin) {
                gaps_.add(gap->first, gap->second);
                break;
            }
            segment_.give_back(begin, end);
            gaps_.add(gap->first, begin - gap->first);
            gaps_.add(end, gap->first + gap->second - end);
            holes_.add(begin, end - begin);
            free_ -= end - begin;
            nbytes -= end - begin;
        }
        holes_.join();
    }

    Segment segment_;
    std::mutex mutex_;  // everything below
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> pool_;
    std::unordered_map<std::uint64_t, std::vector<LentBlock>> lent_;
    Ranges gaps_;
    Ranges holes_;
    std::uint64_t live_ = 0;
    std::uint64_t free_ = 0;
    std::uint64_t most_live_ = 0;  // the most since the last tidying, when memory was taken
    std::uint64_t least_free_ = 0;
    std::uint64_t next_lease_ = 1;
    std::uint64_t first_lease_ = 1;
    Clock::time_point tidied_at_ = Clock::now();
};

inline Block::~Block() {
    if (arena_->segment().mapping()->is_ours())
        arena_->release(*this);  // else another thread's lock may be held for ever
}

}  // namespace tr::detail::shm
