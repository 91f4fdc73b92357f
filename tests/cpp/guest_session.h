// Sessions of the guests that are like unit tests, but with a worker: the one that GUEST_WORKER names.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>

#include "tech_renaissance.h"

inline tr::SessionOptions options(const std::string& id) {
    tr::SessionOptions options;
    options.script_path = std::getenv("GUEST_WORKER");
    options.session_id = id;
    return options;
}

struct Started : tr::PythonSession {
    explicit Started(tr::SessionOptions how) : PythonSession(std::move(how)) { start(60000); }
    explicit Started(const std::string& id) : Started(options(id)) {}
};
