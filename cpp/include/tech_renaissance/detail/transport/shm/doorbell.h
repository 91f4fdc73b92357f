// The doorbell wakes the other side when it is asleep.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/transport/shm/doorbell_windows.h"
#else
#include "tech_renaissance/detail/transport/shm/doorbell_posix.h"
#endif
