// A flag that a thread can wait for together with other handles.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/system/event_windows.h"
#else
#include "tech_renaissance/detail/system/event_posix.h"
#endif
