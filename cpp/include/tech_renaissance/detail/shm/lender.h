// The owner's side of an arena, with tensors: where they are placed. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "tech_renaissance/detail/shm/arena.h"
#include "tech_renaissance/detail/tsr_header.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail::shm {

class Lender {
public:
    explicit Lender(Segment segment) : arena_(std::make_shared<Arena>(std::move(segment))) {}

    Arena& arena() const noexcept { return *arena_; }

    // A new tensor, uninitialised, that lives in a block. Throws ArenaFull.
    Tensor empty(const Shape& shape, DType dtype) {
        const auto [block, data] = block_for(shape, dtype);
        remember(block, data);
        return Tensor::from_storage(block, data, shape, dtype);
    }

    // The block of a tensor of empty(), or a new one with a copy. Throws ArenaFull.
    BlockPtr place(const Tensor& tensor) {
        if (BlockPtr own = find(tensor)) return own;
        const auto [block, data] = block_for(tensor.shape(), tensor.dtype());
        if (tensor.memory_size() != 0) std::memcpy(data, tensor.data_ptr(), tensor.memory_size());
        return block;
    }

    BlockPtr place_bytes(std::string_view bytes) {
        BlockPtr block = arena_->allocate(bytes.size());
        std::memcpy(contents(*block), bytes.data(), bytes.size());
        return block;
    }

    // The tensor in a block that holds one.
    Tensor view(const BlockPtr& block) const {
        const auto* start = reinterpret_cast<const unsigned char*>(contents(*block));
        const TsrHeader header = read_tsr_header(start, tsr_max_header_nbytes);
        return Tensor::from_storage(block, contents(*block) + header.header_nbytes, header.shape, header.dtype);
    }

private:
    std::byte* contents(const Block& block) const {
        return arena_->segment().mapping()->at(block.offset() + block_prefix_nbytes);
    }

    // A block with the header of such a tensor, and where its elements go.
    std::pair<BlockPtr, std::byte*> block_for(const Shape& shape, DType dtype) const {
        const auto header = write_tsr_header(dtype, shape);
        BlockPtr block =
            arena_->allocate(header.nbytes + static_cast<std::uint64_t>(shape.nbytes(dtype_info(dtype).nbytes)));
        std::memcpy(contents(*block), header.bytes.data(), header.nbytes);
        return {block, contents(*block) + header.nbytes};
    }

    void remember(const BlockPtr& block, const std::byte* data) {
        const std::lock_guard<std::mutex> lock(mutex_);
        loans_[data] = block;
    }

    // The block whose tensor this is, whole and as it was made.
    BlockPtr find(const Tensor& tensor) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = loans_.find(static_cast<const std::byte*>(tensor.data_ptr()));
        if (found == loans_.end()) return nullptr;
        BlockPtr block = found->second.lock();
        if (!block) {
            loans_.erase(found);
            return nullptr;
        }
        const auto header = write_tsr_header(tensor.dtype(), tensor.shape());
        const bool same = std::memcmp(contents(*block), header.bytes.data(), header.nbytes) == 0;
        return same ? block : nullptr;
    }

    std::shared_ptr<Arena> arena_;
    std::mutex mutex_;
    std::unordered_map<const std::byte*, std::weak_ptr<Block>> loans_;  // by the address of the elements
};

}  // namespace tr::detail::shm
