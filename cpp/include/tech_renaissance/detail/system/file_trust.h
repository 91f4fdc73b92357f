// How much is believed of a file that somebody else may have put there.
#pragma once

#include <cstdint>
#include <system_error>

namespace tr::detail {

// none: the path is not followed out of its directory, and a length that the disk does not hold is refused.
enum class Trust { full, none };

// By how much a file without trust may be longer than what the disk holds of it (POSIX). File systems compress: a
// little less is no sign.
constexpr std::uint64_t most_absent_nbytes = 1 << 30;

// A file that is refused for what it is: a link, no regular file, or a length that is not there.
class RefusedFile : public std::system_error {
public:
    using std::system_error::system_error;
};

}  // namespace tr::detail
