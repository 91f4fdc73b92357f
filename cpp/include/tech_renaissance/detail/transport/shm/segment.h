// A segment of memory that host and worker both map, as the platform implements it. Arenas have no room in 32 bits.
#pragma once

#include <cstdint>

#if UINTPTR_MAX == UINT32_MAX
#elif defined(__linux__)
#include "tech_renaissance/detail/transport/shm/segment_linux.h"
#define TR_HAS_SHARED_MEMORY 1
#elif defined(_WIN32)
#include "tech_renaissance/detail/transport/shm/segment_windows.h"
#define TR_HAS_SHARED_MEMORY 1
#endif
