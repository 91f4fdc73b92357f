// Bytes that are no text: Python's bytes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tr {

// Memory of somebody else's, as an argument of a call.
struct BytesView {
    const void* data = nullptr;
    std::size_t nbytes = 0;
};

struct Bytes {
    std::vector<std::byte> data;

    Bytes() = default;
    Bytes(std::vector<std::byte> bytes) : data(std::move(bytes)) {}
    // A copy of memory.
    Bytes(const void* memory, std::size_t nbytes)
        : data(static_cast<const std::byte*>(memory), static_cast<const std::byte*>(memory) + nbytes) {}

    // An argument that is not copied here. REQUIRES: the memory lives until the call has been made.
    static BytesView view(const void* memory, std::size_t nbytes) { return {memory, nbytes}; }

    operator BytesView() const noexcept { return {data.data(), data.size()}; }

    friend bool operator==(const Bytes& a, const Bytes& b) { return a.data == b.data; }
    friend bool operator!=(const Bytes& a, const Bytes& b) { return !(a == b); }
};

}  // namespace tr
