// A child process at the level of the operating system. Process is built on it.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/process/child_windows.h"
#else
#include "tech_renaissance/detail/process/child_posix.h"
#endif
