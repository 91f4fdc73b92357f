// How far to trust a file that someone else may have put there.
#pragma once

#include <cstdint>
#include <system_error>

namespace tr::detail {

// none: does not follow links, and refuses a file that claims to be far larger than the space it occupies.
enum class Trust { full, none };

// By how much an untrusted file may be longer than the space it occupies (POSIX). Some difference is normal, because
// file systems compress.
constexpr std::uint64_t most_absent_nbytes = 1 << 30;

// A file that is refused for what it is: a link, not a regular file, or far larger than the space it occupies.
class RefusedFile : public std::system_error {
public:
    using std::system_error::system_error;
};

}  // namespace tr::detail
