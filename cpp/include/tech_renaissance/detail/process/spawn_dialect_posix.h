// posix_spawn beyond POSIX: three features in the dialects of glibc, musl, macOS and BSD.
#pragma once

#include <dirent.h>
#include <spawn.h>

#include <cstdlib>
#include <memory>

#include "tech_renaissance/detail/system/descriptor_posix.h"

#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 34)
#define TR_HAS_ADDCLOSEFROM 1
#endif
#elif defined(__FreeBSD__)
#define TR_HAS_ADDCLOSEFROM 1
#endif

namespace tr::detail {

// Gives the child a session of its own: signals from the host's terminal do not reach it, and its group can be
// signalled as a whole.
#if defined(POSIX_SPAWN_SETSID)
constexpr int own_group_flag = POSIX_SPAWN_SETSID;
#else
constexpr int own_group_flag = POSIX_SPAWN_SETPGROUP;
#endif

inline int add_working_directory(posix_spawn_file_actions_t* actions, const char* path) {
    return ::posix_spawn_file_actions_addchdir_np(actions, path);
}

// The child keeps only the descriptors that file actions give it, all below `first`.
#if defined(__APPLE__)
constexpr int close_others_flag = POSIX_SPAWN_CLOEXEC_DEFAULT;
inline int add_close_others(posix_spawn_file_actions_t*, int) { return 0; }

#elif defined(TR_HAS_ADDCLOSEFROM)
constexpr int close_others_flag = 0;
inline int add_close_others(posix_spawn_file_actions_t* actions, int first) {
    return ::posix_spawn_file_actions_addclosefrom_np(actions, first);
}

#else
constexpr int close_others_flag = 0;
// Misses descriptors that other threads open without O_CLOEXEC between now and the start.
inline int add_close_others(posix_spawn_file_actions_t* actions, int first) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), &::closedir);
    int error = 0;
    while (const dirent* entry = directory && error == 0 ? ::readdir(directory.get()) : nullptr) {
        const int number = std::atoi(entry->d_name);
        const int flags = ::fcntl(number, F_GETFD);
        if (number < first || flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
        error = ::posix_spawn_file_actions_addclose(actions, number);
    }
    return error;
}
#endif

}  // namespace tr::detail

#undef TR_HAS_ADDCLOSEFROM
