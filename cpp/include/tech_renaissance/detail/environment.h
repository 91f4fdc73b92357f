// What a process knows about itself.
#pragma once

#if defined(_WIN32)
#include "environment_windows.h"
#else
#include "environment_posix.h"
#endif
