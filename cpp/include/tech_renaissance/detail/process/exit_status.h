#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/process/exit_status_windows.h"
#else
#include "tech_renaissance/detail/process/exit_status_posix.h"
#endif
