// For systems that report nothing. The contract is in memory.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tr::detail {

inline std::uint64_t own_peak_nbytes() noexcept { return 0; }
inline std::optional<std::uint64_t> peak_nbytes(std::int64_t /*pid*/) noexcept { return std::nullopt; }

class OutOfMemoryCount {
public:
    bool has_grown() const noexcept { return false; }
};

inline std::string describe_state(std::int64_t /*pid*/) { return ""; }

}  // namespace tr::detail
