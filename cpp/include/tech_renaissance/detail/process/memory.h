// What the system reports about a process's memory and state:
//   own_peak_nbytes     this process's own peak resident memory; a new process inherits it
//   peak_nbytes         that of a child that has ended but has not been reaped; nullopt if unknown
//   OutOfMemoryCount    how many processes the kernel has killed because memory ran out, and whether that has grown
//   describe_state      why a process cannot answer a signal, in words; empty if it could
#pragma once

#if defined(__linux__)
#include "tech_renaissance/detail/process/memory_linux.h"
#else
#include "tech_renaissance/detail/process/memory_unknown.h"
#endif
