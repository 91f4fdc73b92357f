// The owner's side of an arena, for tensors: where they are placed. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

#include "tech_renaissance/detail/base/weak_map.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/system/copy.h"
#include "tech_renaissance/detail/transport/shm/arena.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail::shm {

class Lender {
public:
    explicit Lender(Segment segment) : arena_(std::make_shared<Arena>(std::move(segment))) {}
    Lender(const Lender&) = delete;
    Lender& operator=(const Lender&) = delete;
    // Tensors made by empty() may outlive it.
    ~Lender() { arena_->close(); }

    Arena& arena() const noexcept { return *arena_; }

    // A new, uninitialised tensor that lives in a block. Throws ArenaFull.
    Tensor empty(const Shape& shape, DType dtype) {
        const auto [block, data] = block_for(shape, dtype);
        // Bytes other than 0 and 1 are undefined behaviour in the worker's libraries.
        if (dtype == DType::BOOL) std::memset(data, 0, static_cast<std::size_t>(shape.numel()));
        const std::lock_guard<std::mutex> lock(mutex_);
        loans_.set(key(data), block);
        return Tensor::from_storage(block, data, shape, dtype);
    }

    // The block of a tensor made by empty(), or a new block with a copy. Throws ArenaFull.
    BlockPtr place(const Tensor& tensor) {
        if (BlockPtr own = find(tensor)) return own;
        const auto [block, data] = block_for(tensor.shape(), tensor.dtype());
        copy_for_others(data, tensor.data_ptr(), tensor.memory_size());
        return block;
    }

    // Copies a tensor into a block in place of the one that is there. False if it has another dtype or shape, or lives
    // in a block of its own.
    bool rewrite(const BlockPtr& block, const Tensor& tensor) {
        if (block->header().bytes != write_tsr_header(tensor.dtype(), tensor.shape()).bytes || find(tensor))
            return false;
        block->restore_header();
        std::byte* data = block->contents() + block->header().nbytes;
        copy_for_others(data, tensor.data_ptr(), tensor.memory_size());
        return true;
    }

private:
    // A block with the header of such a tensor, and the address where its elements go.
    std::pair<BlockPtr, std::byte*> block_for(const Shape& shape, DType dtype) const {
        const auto header = write_tsr_header(dtype, shape);
        BlockPtr block =
            arena_->allocate(header.nbytes + static_cast<std::uint64_t>(shape.nbytes(dtype_info(dtype).nbytes)));
        block->set_header(header);
        block->restore_header();
        std::byte* data = block->contents() + header.nbytes;
        return {std::move(block), data};
    }

    static std::uint64_t key(const void* data) { return reinterpret_cast<std::uintptr_t>(data); }

    // The block whose tensor this is, if it is the whole tensor with its original dtype and shape.
    BlockPtr find(const Tensor& tensor) {
        BlockPtr block;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            block = loans_.find(key(tensor.data_ptr()));
        }
        const bool same = block && block->header().bytes == write_tsr_header(tensor.dtype(), tensor.shape()).bytes;
        return same ? block : nullptr;
    }

    std::shared_ptr<Arena> arena_;
    std::mutex mutex_;
    WeakMap<Block> loans_;  // by the address of the elements
};

}  // namespace tr::detail::shm
