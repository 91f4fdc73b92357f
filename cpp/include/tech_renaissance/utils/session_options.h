// Options of a PythonSession.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tech_renaissance/detail/launch.h"

namespace tr {

struct SessionOptions {
    // What runs.

    // The worker's script, or "default" for the default server of the Python package.
    std::string script_path = "default";
    // A name; one living session each in a workspace.
    std::string session_id = "default";
    // The worker's interpreter. Default: TR_PYTHON, else the active virtual environment's, else python3 on PATH.
    std::string python;
    // Variables added to the host's environment.
    Environment environment;
    // The worker's working directory. Default: the host's.
    std::string working_directory;

    // Where and how long.

    // Folder of the session directories. Default: TR_WORKSPACE, else "workspace" in the current directory.
    std::string workspace;
    // How long a worker may take until it is ready.
    std::chrono::milliseconds launch_timeout = std::chrono::seconds(30);
    // "shm" or "file". Default: TR_TRANSPORT, else shared memory where both sides can.
    std::string transport;
    // "first:max" in milliseconds: wait by this schedule, without file notifications. Default: TR_POLL_MS, else quick,
    // with them.
    std::string poll_ms;

    // What becomes of the worker's stdout and stderr; the last lines are kept in any case. Default: by quiet_mode.
    std::optional<Output> output;
    // Discard the output instead of passing it on.
    bool quiet_mode = false;
};

}  // namespace tr
