// A flag that a thread can wait for together with other handles.
#pragma once

#if defined(_WIN32)
#include "event_windows.h"
#else
#include "event_posix.h"
#endif
