// Waits for a directory to change.
#pragma once

#if defined(_WIN32)
#include "watch_windows.h"
#else
#include "watch_posix.h"
#endif
