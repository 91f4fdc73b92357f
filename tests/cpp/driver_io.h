// What the driver needs of the operating system: an answer channel of its own, since stdout is the workers', and fork.
#pragma once

#if defined(_WIN32)
#include "driver_io_windows.h"
#else
#include "driver_io_posix.h"
#endif
