// Any bytes are a TSR tensor or refused with a FormatError: nothing else, and no fault. A tensor that was accepted is
// written as the same bytes, unless a writer chooses otherwise for it: another version, or 1 for another true.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

#include "tech_renaissance/tsr.h"

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

bool same_bytes(const std::vector<std::byte>& bytes, const std::uint8_t* data, std::size_t nbytes) {
    return bytes.size() == nbytes && std::memcmp(bytes.data(), data, nbytes) == 0;
}

std::optional<tr::Tensor> decode(const void* data, std::size_t nbytes) {
    try {
        return tr::decode(data, nbytes);
    } catch (const tr::FormatError&) {
        return std::nullopt;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    const std::optional<tr::Tensor> tensor = decode(data, nbytes);
    if (!tensor) return 0;
    const std::vector<std::byte> encoded = tr::encode(*tensor);
    const bool other_version =
        tr::read_header(encoded.data(), encoded.size()).version != tr::read_header(data, nbytes).version;
    require(other_version || tensor->dtype() == tr::DType::BOOL || same_bytes(encoded, data, nbytes));
    require(tr::encode(tr::decode(encoded.data(), encoded.size())) == encoded);
    static_cast<void>(tensor->to_string());
    return 0;
}
