// A system that has no thread left. Only where the C library can be asked for threads that are too large.
#pragma once

#include <pthread.h>

#include <cstddef>

#if defined(__GLIBC__)

class NoThreads {
public:
    NoThreads() {
        ::pthread_getattr_default_np(&before_);
        pthread_attr_t huge;
        ::pthread_attr_init(&huge);
        ::pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
        ::pthread_setattr_default_np(&huge);
        ::pthread_attr_destroy(&huge);
    }
    NoThreads(const NoThreads&) = delete;
    NoThreads& operator=(const NoThreads&) = delete;
    ~NoThreads() { ::pthread_setattr_default_np(&before_); }

private:
    pthread_attr_t before_{};
};

#endif
