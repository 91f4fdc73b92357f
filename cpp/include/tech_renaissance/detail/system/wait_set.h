// One handle for several: it is ready while one of them is.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/system/wait_set_windows.h"
#elif defined(__linux__)
#include "tech_renaissance/detail/system/wait_set_linux.h"
#else
#include "tech_renaissance/detail/system/wait_set_kqueue.h"
#endif
