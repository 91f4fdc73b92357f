// Waits for a directory to change.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/transport/file/watch_windows.h"
#else
#include "tech_renaissance/detail/transport/file/watch_posix.h"
#endif
