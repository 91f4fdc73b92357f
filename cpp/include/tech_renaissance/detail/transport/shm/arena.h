// The owner's side of an arena: which blocks exist, who has them, and where the next one goes.
//
// It keeps its books in private memory. From the segment it reads only one word per block: the lease that the other
// side has returned. Rules: spec/transport-shm.md, Blocks and leases.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/transport/shm/frame.h"
#include "tech_renaissance/detail/transport/shm/ranges.h"
#include "tech_renaissance/detail/transport/shm/segment.h"
#include "tech_renaissance/detail/transport/shm/window.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"

namespace tr::detail::shm {

inline constexpr std::uint64_t block_prefix_nbytes =
    64;  // precedes the contents; has two words: the lease that was returned, and the one that is idle
inline constexpr std::uint64_t growth_nbytes = 1 << 16;  // a multiple of every page size
inline constexpr std::chrono::seconds tidy_interval(10);

// The size of the block for `nbytes`, larger by at most an eighth (or 255 bytes).
inline std::uint64_t size_class(std::uint64_t nbytes) {
    std::uint64_t step = 256;
    while (step <= nbytes / 16) step *= 2;
    return (nbytes + step - 1) / step * step;
}

// Blocks of one size that this side has released, and that the other side had not returned at the time. Finding one
// that has been returned since takes a bounded number of looks, however many there are.
class LentBlocks {
public:
    struct LentBlock {
        std::shared_ptr<Mapping> window;
        std::uint64_t offset;
        std::uint64_t lease;
    };

    void add(LentBlock block) {
        newest_.push_back(std::move(block));
        if (newest_.size() <= most_newest) return;
        others_.push_back(std::move(newest_.front()));
        newest_.erase(newest_.begin());
    }

    // Removes and returns a block that satisfies `is_returned`; nullopt if none is found. The newest are looked at each
    // time; the others take turns, `most_looks` each time.
    template <class IsReturned>
    std::optional<LentBlock> take_returned(std::size_t most_looks, const IsReturned& is_returned) {
        const auto found = std::find_if(newest_.rbegin(), newest_.rend(), is_returned);
        if (found != newest_.rend()) {
            LentBlock block = std::move(*found);
            newest_.erase(std::prev(found.base()));
            return block;
        }
        most_looks = std::min(most_looks, others_.size());
        for (std::size_t looks = 0; looks < most_looks; ++looks) {
            LentBlock block = std::move(others_.front());
            others_.pop_front();
            if (is_returned(block)) return block;
            others_.push_back(std::move(block));
        }
        return std::nullopt;
    }

private:
    static constexpr std::size_t most_newest = 4;

    std::vector<LentBlock> newest_;
    std::deque<LentBlock> others_;
};

class Arena;

// A range of an arena. It is free again once this object is destroyed, in any thread, and its lease has been returned.
class Block final : public Placement {
public:
    Block(std::shared_ptr<Arena> arena, std::shared_ptr<Mapping> window, std::uint64_t offset, std::uint64_t nbytes)
        : arena_(std::move(arena)), window_(std::move(window)), offset_(offset), nbytes_(nbytes) {}
    ~Block() override;

    std::uint64_t offset() const noexcept { return offset_; }
    std::uint64_t nbytes() const noexcept { return nbytes_; }
    std::byte* contents() const noexcept { return window_->at(offset_ + block_prefix_nbytes); }
    // Our own copy of its tensor's header, which the other side cannot change.
    const TsrHeaderBytes& header() const noexcept { return header_; }
    void set_header(const TsrHeaderBytes& header) noexcept { header_ = header; }
    // Writes it again, in case the other side changed it. Mostly it did not: what both sides only read stays in both
    // caches.
    void restore_header() const noexcept {
        const auto* const bytes = header_.bytes.data();
        if (std::memcmp(contents(), bytes, header_.nbytes) != 0) std::memcpy(contents(), bytes, header_.nbytes);
    }

    std::string_view tsr() const override {
        restore_header();
        const TsrHeader header = read_tsr_header(header_.bytes.data(), header_.nbytes);
        const auto tsr_nbytes = static_cast<std::size_t>(header.header_nbytes + header.data_nbytes);
        return {reinterpret_cast<const char*>(contents()), tsr_nbytes};
    }

private:
    friend class Arena;
    std::shared_ptr<Arena> arena_;
    std::shared_ptr<Mapping> window_;
    std::uint64_t offset_;
    std::uint64_t nbytes_;
    std::uint64_t lease_ = 0;  // the last number it was lent under, or 0
    TsrHeaderBytes header_;
};

using BlockPtr = std::shared_ptr<Block>;

// Allocates blocks in a segment that this side owns. There are two kinds of free ranges: gaps have memory, holes are
// only address space. A new arena is all holes. Thread-safe.
class Arena : public std::enable_shared_from_this<Arena> {
public:
    // Throws std::system_error.
    explicit Arena(Segment segment) : segment_(std::move(segment)) {
        for (std::size_t number = 0; window_begin(number) < segment_.nbytes(); ++number) {
            const std::uint64_t begin = window_begin(number);
            holes_.add(begin, std::min(window_begin(number + 1), segment_.nbytes()) - begin);
        }
    }

    const Segment& segment() const noexcept { return segment_; }

    // A block with room for `nbytes` after its prefix. Throws ArenaFull.
    BlockPtr allocate(std::uint64_t nbytes) {
        const std::uint64_t size = size_class(nbytes + block_prefix_nbytes);
        Place place;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            place = find(size);
            live_ += size;
            free_ -= size;
            least_free_ = std::min(least_free_, free_);
        }
        return std::make_shared<Block>(shared_from_this(), std::move(place.window), place.offset, size);
    }

    // Gives the block a new lease, and returns what to send to the other side.
    Lent lend(Block& block) {
        const std::lock_guard<std::mutex> lock(mutex_);
        block.lease_ = next_lease_++;
        return {block.offset_, block.lease_};
    }

    // Whether only tags, ours and the other side's, use a block that we have lent. Valid while no request is in work.
    bool is_idle(const BlockPtr& block) const noexcept {
        const Word& idle = block->window_->word(block->offset_ + 8);
        return block.use_count() == 1 && idle.load(std::memory_order_acquire) == block->lease_;
    }

    // Call it when the other side has gone: counts everything that it had as returned.
    void forget_leases() {
        const std::lock_guard<std::mutex> lock(mutex_);
        first_lease_ = next_lease_;
        take_back_returned(all_looks);
    }

    // Gives memory that was not needed for ten seconds back to the system. Cheap to call often.
    void tidy() {
        const std::lock_guard<std::mutex> lock(mutex_);
        const Clock::time_point now = Clock::now();
        if (now - tidied_at_ < tidy_interval) return;
        tidied_at_ = now;
        take_back_returned(all_looks);
        join();
        give_back(least_free_);
        least_free_ = free_;
        most_live_ = live_;
        windows_.tidy();
    }

    // Releases the segment. Blocks keep their windows and may still be destroyed; nothing else may be called
    // afterwards.
    void close() {
        if (!windows_.is_ours()) return;  // in a fork the lock may stay locked forever
        const std::lock_guard<std::mutex> lock(mutex_);
        lent_.clear();
        windows_.close();
        segment_.close();
    }

    // Bytes in blocks that either side still uses, and memory taken from the system.
    std::pair<std::uint64_t, std::uint64_t> usage() {
        const std::lock_guard<std::mutex> lock(mutex_);
        take_back_returned(all_looks);
        return {live_, live_ + free_};
    }

private:
    friend class Block;

    static constexpr std::size_t some_looks = 12;
    static constexpr std::size_t all_looks = ~std::size_t{0};

    // Where a block is.
    struct Place {
        std::shared_ptr<Mapping> window;
        std::uint64_t offset = 0;
    };

    // Releases a block on the owner's side. It is free once the other side has returned it, too.
    void release(const Block& block) {
        const std::lock_guard<std::mutex> lock(mutex_);
        LentBlocks::LentBlock lent{block.window_, block.offset_, block.lease_};
        if (is_returned(lent)) {
            take_back(block.offset_, block.nbytes_);
        } else {
            lent_[block.nbytes_].add(std::move(lent));
        }
    }

    // A lease to a reader that no longer exists counts as returned.
    bool is_returned(const LentBlocks::LentBlock& block) const {
        return block.lease < first_lease_ ||
               block.window->word(block.offset).load(std::memory_order_acquire) == block.lease;
    }

    void take_back(std::uint64_t offset, std::uint64_t size) {
        pool_[size].push_back(offset);
        live_ -= size;
        free_ += size;
    }

    // A free block: from the pool, else one that the other side has returned, else from the gaps, else from everything
    // that is free, else from new memory.
    Place find(std::uint64_t size) {
        if (const auto pooled = take_pooled(size)) return place(*pooled, size);
        std::optional<std::uint64_t> offset = gaps_.take(size);
        if (!offset) {
            take_back_returned(some_looks);
            join();
            offset = gaps_.take(size);
        }
        const Place found = place(offset ? *offset : commit(size), size);
        // Elements of an older block may be here, and must not be mistaken for a returned lease.
        for (const std::uint64_t word : {found.offset, found.offset + 8})
            found.window->word(word).store(0, std::memory_order_relaxed);
        return found;
    }

    // Maps the window again if it was unmapped since the block was last used.
    Place place(std::uint64_t offset, std::uint64_t size) {
        try {
            return {windows_.at(offset), offset};
        } catch (const std::system_error& error) {
            gaps_.add(offset, size);
            throw_full(size, error);
        }
    }

    std::optional<std::uint64_t> take_pooled(std::uint64_t size) {
        std::vector<std::uint64_t>& pool = pool_[size];
        if (pool.empty()) {
            const auto returned =
                lent_[size].take_returned(some_looks, [this](const auto& block) { return is_returned(block); });
            if (!returned) return std::nullopt;
            take_back(returned->offset, size);
        }
        const std::uint64_t offset = pool.back();  // the most recently used
        pool.pop_back();
        return offset;
    }

    void take_back_returned(std::size_t most_looks) {
        const auto returned = [this](const auto& block) { return is_returned(block); };
        for (auto& [size, blocks] : lent_) {
            while (const auto block = blocks.take_returned(most_looks, returned)) take_back(block->offset, size);
        }
    }

    // Turns everything that is free into gaps.
    void join() {
        for (auto& [size, offsets] : pool_) {
            for (const std::uint64_t offset : offsets) gaps_.add(offset, size);
            offsets.clear();
        }
    }

    [[noreturn]] static void throw_full(std::uint64_t size, const std::system_error& error) {
        throw ArenaFull("no shared memory for " + std::to_string(size) + " more bytes: " + error.what());
    }

    // Takes memory from the system. First gives some back, so that the total is at most a 32nd more than was ever live
    // at once.
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
            const std::shared_ptr<Mapping> window = windows_.at(*offset);
            segment_.commit(*offset, *offset + wanted);
            window->populate(*offset, *offset + wanted);
        } catch (const std::system_error& error) {
            if (offset) holes_.add(*offset, wanted);
            throw_full(size, error);
        }
        free_ += wanted;
        gaps_.add(*offset + size, wanted - size);
        return *offset;
    }

    // Turns about `nbytes` of the largest gaps into holes.
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
    }

    Segment segment_;
    std::mutex mutex_;  // for everything below
    Windows windows_{segment_};
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> pool_;
    std::unordered_map<std::uint64_t, LentBlocks> lent_;
    Ranges gaps_;
    Ranges holes_;
    std::uint64_t live_ = 0;
    std::uint64_t free_ = 0;
    std::uint64_t most_live_ = 0;  // the most live bytes since the last tidying, noted whenever memory was taken
    std::uint64_t least_free_ = 0;
    std::uint64_t next_lease_ = 1;
    std::uint64_t first_lease_ = 1;
    Clock::time_point tidied_at_ = Clock::now();
};

inline Block::~Block() {
    if (window_->is_ours()) arena_->release(*this);  // in a fork the lock may stay locked forever
}

}  // namespace tr::detail::shm
