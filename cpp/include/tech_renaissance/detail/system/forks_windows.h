// Windows has no forks.
#pragma once

namespace tr::detail {

inline unsigned fork_generation() noexcept { return 0; }

}  // namespace tr::detail
