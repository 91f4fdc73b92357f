// Taking a worker's Python stacks from outside: spec/life.md, Stacks.
//   take_stacks(process, path)   the stacks of all threads; why there are none, if the worker does not answer; empty if
//                                it has no such file. Never throws.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/process/stack_windows.h"
#else
#include "tech_renaissance/detail/process/stack_posix.h"
#endif
