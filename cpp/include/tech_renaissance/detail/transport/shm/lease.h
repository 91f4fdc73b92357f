// The reader's side of an arena: tensors that live in the other side's blocks, and giving the blocks back.
//
// A block goes back when the last tensor of it is gone, in whatever thread, by storing one word. The mapping lives as
// long as any tensor in it, whatever became of the worker and the session.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "tech_renaissance/detail/base/weak_map.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/transport/shm/arena.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail::shm {

// One block while this side has it.
class Lease {
public:
    Lease(std::shared_ptr<Mapping> mapping, Lent lent)
        : mapping_(std::move(mapping)), offset_(lent.offset), number_(lent.lease) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    // Numbers only grow: a lease that ends late must not cover a later one that was returned already.
    ~Lease() {
        if (!mapping_->is_ours()) return;
        Word& word = mapping_->word(offset_);
        const std::uint64_t number = number_.load(std::memory_order_relaxed);
        std::uint64_t returned = word.load(std::memory_order_relaxed);
        while (returned < number && !word.compare_exchange_weak(returned, number, std::memory_order_release)) {
        }
    }

    // The block was lent again while this side still had it.
    void renew(std::uint64_t number) noexcept { number_.store(number, std::memory_order_relaxed); }

private:
    std::shared_ptr<Mapping> mapping_;
    std::uint64_t offset_;
    std::atomic<std::uint64_t> number_;
};

// Reads blocks of an arena that the other side owns. One thread at a time; the tensors may die in any. REQUIRES: the
// segment outlives it.
class Lessee {
public:
    explicit Lessee(const Segment& segment) : segment_(segment), mapping_(segment.mapping()) {}

    // A tensor in a block. Throws RemoteProtocolError if there is none.
    Tensor tensor(Lent lent) {
        const std::shared_ptr<Lease> lease = take(lent);
        const std::uint64_t start = lent.offset + block_prefix_nbytes;
        unsigned char head[tsr_max_header_nbytes];
        std::memcpy(head, mapping_->at(start), sizeof head);  // read once: it may change under our eyes
        try {
            const TsrHeader header = read_tsr_header(head, sizeof head);
            const std::uint64_t data = start + static_cast<std::uint64_t>(header.header_nbytes);
            require_memory(data, static_cast<std::uint64_t>(header.data_nbytes));
            return Tensor::from_storage(lease, mapping_->at(data), header.shape, header.dtype);
        } catch (const FormatError& error) {
            throw RemoteProtocolError("bad_frame", std::string("a result tensor cannot be read: ") + error.what());
        }
    }

    // A copy of a large frame's body.
    std::string body(Lent lent, std::uint64_t nbytes) {
        const std::shared_ptr<Lease> lease = take(lent);
        require_memory(lent.offset + block_prefix_nbytes, nbytes);
        const auto* start = reinterpret_cast<const char*>(mapping_->at(lent.offset + block_prefix_nbytes));
        return std::string(start, static_cast<std::size_t>(nbytes));
    }

private:
    std::shared_ptr<Lease> take(Lent lent) {
        constexpr std::uint64_t least = block_prefix_nbytes + static_cast<std::uint64_t>(tsr_max_header_nbytes);
        if (lent.offset % 64 != 0 || lent.offset > mapping_->nbytes() - least || lent.lease == 0 ||
            lent.lease >> 63 != 0) {
            throw_bad_frame("there is no such block in the arena");
        }
        std::shared_ptr<Lease> lease = leases_.find(lent.offset);
        if (lease) {
            lease->renew(lent.lease);
        } else {
            lease = std::make_shared<Lease>(mapping_, lent);
            leases_.set(lent.offset, lease);
        }
        return lease;
    }

    // What is said to be here must be in the arena, and not be more than the other side can have written.
    void require_memory(std::uint64_t begin, std::uint64_t nbytes) {
        if (nbytes > mapping_->nbytes() - begin) throw_bad_frame("a block's contents end behind its arena");
        if (nbytes > unchecked_nbytes && !segment_.has_taken(nbytes)) {
            throw_bad_frame("a block's contents are larger than the memory in its arena");
        }
        if (begin + nbytes <= populated_) return;
        populated_ = begin + nbytes;
        segment_.populate_taken(begin, populated_);
    }

    static constexpr std::uint64_t unchecked_nbytes = 1 << 20;

    const Segment& segment_;
    std::shared_ptr<Mapping> mapping_;
    WeakMap<Lease> leases_;        // by the block's offset
    std::uint64_t populated_ = 0;  // where the last range ends that was
};

}  // namespace tr::detail::shm
