// A child process as the operating system shows it: what Process is built on.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/process/child_windows.h"
#else
#include "tech_renaissance/detail/process/child_posix.h"
#endif
