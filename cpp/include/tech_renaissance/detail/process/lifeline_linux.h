// Ends a child whose host has died, even if the child knows nothing about hosts.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <csignal>

#include "tech_renaissance/detail/system/descriptor_posix.h"

namespace tr::detail {

// Lets the kernel kill the child's group when the writing end of its lifeline closes. The settings belong to the open
// file description, which the child has inherited, so they stay when the host closes its copy. Thus even a worker that
// is still starting, or hangs before it serves, does not outlive its host.
//
// If the child has already ended, this has no effect and is not needed.
inline void arm_lifeline(const Descriptor& reading_end, pid_t child) noexcept {
    const int number = reading_end.get();
    ::fcntl(number, F_SETOWN, -child);
    ::fcntl(number, F_SETSIG, SIGKILL);
    ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_ASYNC);
}

}  // namespace tr::detail
