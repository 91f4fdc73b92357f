// The end of a child whose host is gone, also if the child never heard of a host.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <csignal>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Lets the kernel kill the child's group when the writing end of its lifeline closes. What is set here belongs to the
// open file description, which the child has inherited, and stays when the host closes its copy. So a worker that still
// starts, or hangs before it serves, does not outlive its host.
//
// A child that has ended already cannot be named as the owner, and need not be.
inline void arm_lifeline(const Descriptor& reading_end, pid_t child) noexcept {
    const int number = reading_end.get();
    ::fcntl(number, F_SETOWN, -child);
    ::fcntl(number, F_SETSIG, SIGKILL);
    ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_ASYNC);
}

}  // namespace tr::detail
