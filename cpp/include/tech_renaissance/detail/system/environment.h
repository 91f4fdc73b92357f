// What a process knows about itself.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/system/environment_windows.h"
#else
#include "tech_renaissance/detail/system/environment_posix.h"
#endif
