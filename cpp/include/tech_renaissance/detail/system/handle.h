// What the system calls its objects: descriptors, or handles on Windows.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/system/handle_windows.h"
#else
#include "tech_renaissance/detail/system/descriptor_posix.h"
#endif
