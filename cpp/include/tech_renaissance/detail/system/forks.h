// What happens to a session in a fork of the host: spec/life.md, Forks of the host.
#pragma once

#if defined(_WIN32)
#include "tech_renaissance/detail/system/forks_windows.h"
#else
#include "tech_renaissance/detail/system/forks_posix.h"
#endif
