// A child process as the operating system shows it: what Process is built on.
#pragma once

#if defined(_WIN32)
#include "child_windows.h"
#else
#include "child_posix.h"
#endif
