// The exit status of a process in words.
#include <optional>

#include "check.h"
#include "tech_renaissance/detail/process/death.h"

using tr::detail::describe_exit;
using tr::detail::signal_of;

TEST("every exception that ends processes has its name, the others their number") {
    CHECK_EQ("access violation", signal_of(-1073741819));
    CHECK_EQ("exception 0xC0000123", signal_of(static_cast<int>(0xC0000123)));
    CHECK_EQ("", signal_of(-1));
    CHECK_EQ("", signal_of(3));
    CHECK_EQ("", signal_of(std::nullopt));
    CHECK_EQ("exception 0xC00000FD (stack overflow)", describe_exit(static_cast<int>(0xC00000FD)));
    CHECK_EQ("exception 0xC0000123", describe_exit(static_cast<int>(0xC0000123)));
    CHECK_EQ("exit status -1", describe_exit(-1));
    CHECK_EQ("exit status 3", describe_exit(3));
}
