// The exit status of a process in words.
#include <csignal>
#include <optional>

#include "check.h"
#include "tech_renaissance/detail/process/death.h"

using tr::detail::describe_exit;
using tr::detail::signal_of;

TEST("every signal that ends processes has its name, the others their number") {
    CHECK_EQ("SIGKILL", signal_of(-SIGKILL));
    CHECK_EQ("SIGXFSZ", signal_of(-SIGXFSZ));
    CHECK_EQ("SIGSYS", signal_of(-SIGSYS));
    CHECK_EQ("signal 61", signal_of(-61));
    CHECK_EQ("", signal_of(1));
    CHECK_EQ("", signal_of(std::nullopt));
    CHECK_EQ("signal 9 (SIGKILL)", describe_exit(-9));
    CHECK_EQ("exit status 3", describe_exit(3));
}
