// What the system knows about a process's memory and state, as far as it tells:
//   own_peak_nbytes     this process's own peak of resident memory; a new process inherits it
//   peak_nbytes         that of a child that has ended and is not reaped; nullopt if unknown
//   OutOfMemoryCount    how many processes the kernel has ended for want of memory: have they become more?
//   describe_state      in words, why a process cannot answer a signal; empty if it could
#pragma once

#if defined(__linux__)
#include "tech_renaissance/detail/process/memory_linux.h"
#else
#include "tech_renaissance/detail/process/memory_unknown.h"
#endif
