// The reader's side of an arena: makes tensors that live in the other side's blocks, and returns the blocks.
//
// A block is returned, by storing a single word, when the last tensor in it dies, in any thread. Its window lives as
// long as any tensor in it, whatever became of the worker and the session.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/weak_map.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/transport/shm/arena.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail::shm {

// A block while this side has it.
class Lease {
public:
    Lease(std::shared_ptr<Mapping> window, Lent lent)
        : window_(std::move(window)), offset_(lent.offset), number_(lent.lease) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    // Numbers only grow, because a lease that ends late must not overwrite a later one that has already been returned.
    ~Lease() {
        if (!window_->is_ours()) return;
        Word& word = window_->word(offset_);
        const std::uint64_t number = number_.load(std::memory_order_relaxed);
        std::uint64_t returned = word.load(std::memory_order_relaxed);
        while (returned < number && !word.compare_exchange_weak(returned, number, std::memory_order_release)) {
        }
    }

    Mapping& window() const noexcept { return *window_; }

    // Call it when the block was lent again while this side still had it.
    void renew(std::uint64_t number) noexcept { number_.store(number, std::memory_order_relaxed); }

private:
    std::shared_ptr<Mapping> window_;
    std::uint64_t offset_;
    std::atomic<std::uint64_t> number_;
};

// Reads blocks of an arena that the other side owns. For one thread at a time; tensors may die in any thread. REQUIRES:
// the segment outlives it.
class Lessee {
public:
    // Throws std::system_error.
    explicit Lessee(const Segment& segment) : segment_(segment), windows_(segment) {}

    // What is in blocks. Throws RemoteProtocolError if a block has no tensor, or one that does not fit its kind,
    // ArenaFull if one cannot be mapped, and then returns all blocks.
    std::vector<Attachment> attachments(const std::vector<LentAttachment>& blocks) {
        std::vector<Attachment> attachments;
        std::exception_ptr failure;
        for (const LentAttachment& one : blocks) {
            try {
                attachments.push_back(checked_attachment(one.kind, tensor(one.lent)));
            } catch (...) {
                if (!failure) failure = std::current_exception();
            }
        }
        if (failure) std::rethrow_exception(failure);
        return attachments;
    }

    // A copy of a large frame's body. Throws RemoteProtocolError, and ArenaFull if this process cannot read it.
    std::string body(Lent lent, std::uint64_t nbytes) {
        check(lent);
        try {
            return copy(lent, nbytes);
        } catch (const std::system_error& error) {
            throw ArenaFull(std::string("this process cannot read a text: ") + error.what());
        }
    }

    // Unmaps what was not needed for a while. Cheap to call often.
    void tidy() {
        const Clock::time_point now = Clock::now();
        if (now - tidied_at_ < tidy_interval) return;
        tidied_at_ = now;
        windows_.tidy();
    }

private:
    // Returns a block that has not been mapped.
    struct Unmapped {
        const Segment& segment;
        Lent lent;
        ~Unmapped() { segment.store(lent.offset, lent.lease); }
    };

    std::string copy(Lent lent, std::uint64_t nbytes) {
        const std::uint64_t start = lent.offset + block_prefix_nbytes;
        if (nbytes > segment_.nbytes() - start || !segment_.can_hold(start, start + nbytes)) {
            throw_bad_frame("a frame's body is larger than the memory in its arena");
        }
        const Unmapped lease{segment_, lent};
        std::string body(static_cast<std::size_t>(nbytes), '\0');
        segment_.read(start, body.data(), body.size());
        return body;
    }

    Tensor tensor(Lent lent) {
        const std::shared_ptr<Lease> lease = take(lent);
        Mapping& window = lease->window();
        const std::uint64_t start = lent.offset + block_prefix_nbytes;
        unsigned char head[tsr_max_header_nbytes];
        std::memcpy(head, window.at(start), sizeof head);  // read only once, because it may change at any time
        try {
            const TsrHeader header = read_tsr_header(head, sizeof head);
            const std::uint64_t data = start + static_cast<std::uint64_t>(header.header_nbytes);
            require_memory(window, data, static_cast<std::uint64_t>(header.data_nbytes));
            return Tensor::from_storage(lease, window.at(data), header.shape, header.dtype);
        } catch (const FormatError& error) {
            throw RemoteProtocolError("bad_frame", std::string("a result tensor cannot be read: ") + error.what());
        }
    }

    std::shared_ptr<Lease> take(Lent lent) {
        check(lent);
        std::shared_ptr<Lease> lease = leases_.find(lent.offset);
        if (lease) {
            lease->renew(lent.lease);
        } else {
            lease = std::make_shared<Lease>(window(lent), lent);
            leases_.set(lent.offset, lease);
        }
        return lease;
    }

    void check(Lent lent) const {
        const bool possible = lent.offset % 64 == 0 && lent.offset < segment_.nbytes() && lent.lease != 0 &&
                              lent.lease >> 63 == 0 && least_block_nbytes <= window_end(lent.offset) - lent.offset;
        if (!possible) throw_bad_frame("there is no such block in the arena");
    }

    std::shared_ptr<Mapping> window(Lent lent) {
        std::shared_ptr<Mapping> window;
        try {
            window = windows_.at(lent.offset);
        } catch (const std::system_error& error) {
            const Unmapped lease{segment_, lent};
            throw ArenaFull(std::string("this process cannot map a tensor: ") + error.what());
        }
        if (least_block_nbytes > unchecked_nbytes &&
            !window->can_hold(segment_, lent.offset, lent.offset + least_block_nbytes)) {
            throw_bad_frame("there is no memory where a tensor should be");
        }
        return window;
    }

    // The elements must lie in the window, and not be more than the other side can have written.
    void require_memory(Mapping& window, std::uint64_t begin, std::uint64_t nbytes) {
        if (begin > window.end() || nbytes > window.end() - begin) throw_bad_frame("a tensor ends beyond its window");
        const std::uint64_t end = begin + nbytes;
        if (nbytes > unchecked_nbytes && !window.can_hold(segment_, begin, end)) {
            throw_bad_frame("a tensor is larger than the memory in its arena");
        }
        if (end <= window.populated_to) return;
        window.populated_to = end;
        if (segment_.has_all(begin, end)) window.populate(begin, end);  // else populating would allocate memory
    }

    static constexpr std::uint64_t least_block_nbytes =
        block_prefix_nbytes + static_cast<std::uint64_t>(tsr_max_header_nbytes);

    const Segment& segment_;
    Windows windows_;
    WeakMap<Lease> leases_;  // by the block's offset
    Clock::time_point tidied_at_ = Clock::now();
};

}  // namespace tr::detail::shm
