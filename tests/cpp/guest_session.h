// Sessions of the guests that are like unit tests, but with a worker: the one that GUEST_WORKER names.
#pragma once

#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance.h"

// A thread of a test. It is joined even if the test ends by an exception, which would end the program untold otherwise.
struct Helper : std::thread {
    using std::thread::thread;
    Helper(Helper&&) = default;
    Helper& operator=(Helper&&) = default;
    ~Helper() {
        if (joinable()) join();
    }
};

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
