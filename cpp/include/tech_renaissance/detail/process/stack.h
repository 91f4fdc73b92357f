// How to take a worker's Python stacks from outside: spec/life.md, Stacks.
//   take_stacks(process, path)   the stacks of all threads, or why they cannot be taken; empty if the worker has no
//   such
//                                file. Never throws.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/process/stack_windows.h"
#else
#include "tech_renaissance/detail/process/stack_posix.h"
#endif
