#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>

#include "tech_renaissance/detail/base/environment_variables.h"

#if defined(__APPLE__)
#include <crt_externs.h>
#else
extern "C" char** environ;
#endif

namespace tr::detail {

inline std::int64_t current_process_id() { return ::getpid(); }

// REQUIRES: no other thread changes the environment meanwhile.
inline Environment current_environment() {
#if defined(__APPLE__)
    char** entry = *::_NSGetEnviron();
#else
    char** entry = ::environ;
#endif
    Environment environment;
    for (; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::size_t equals = text.find('=');
        if (equals != std::string::npos && equals != 0)
            environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return environment;
}

}  // namespace tr::detail
