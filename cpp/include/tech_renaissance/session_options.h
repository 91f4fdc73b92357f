// Options of a PythonSession.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tech_renaissance/detail/base/environment_variables.h"
#include "tech_renaissance/output.h"

namespace tr {

class PythonSession;

// How long each step that ends a call is given before the next one: spec/life.md.
struct CancelPatience {
    // After the handler was told.
    std::chrono::milliseconds notice{200};
    // After it was interrupted.
    std::chrono::milliseconds interrupt{1000};
    // After its worker was asked to end.
    std::chrono::milliseconds terminate{1000};
};

enum class Restart { never, on_crash };

// How a crashed worker is restarted.
struct RestartPolicy {
    // How long to wait before a restart; doubled with each crash in a row, up to max_backoff. A worker that lives as
    // long as ten seconds begins anew.
    std::chrono::milliseconds first_backoff{100};
    std::chrono::milliseconds max_backoff{10000};
    // After so many restarts within so long no more are made.
    int limit = 5;
    std::chrono::milliseconds window{60000};
    // Whether tensors under tags are there again.
    bool keep_tags = true;
};

struct SessionOptions {
    // What runs.

    // The worker's script, or "default" for the default server of the Python package.
    std::string script_path = "default";
    // A name; one living session each in a workspace.
    std::string session_id = "default";
    // Arguments for the script, after the session id: its sys.argv[2:].
    std::vector<std::string> arguments;
    // The worker's interpreter. Default: TR_PYTHON, else the active virtual environment's, else python3 on PATH.
    std::string python;
    // Options for the interpreter, before the script: {"-X", "dev"}, {"-O"}.
    std::vector<std::string> python_arguments;
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

    // Shared memory: how long each side looks for the other's word before it sleeps, up to a second. A call costs least
    // while the other side looks, but who looks uses a processor: for programs that have some to spare. Default:
    // TR_LOOK_US, else tens to hundreds of microseconds, and less where looking has not paid.
    std::optional<std::chrono::microseconds> look;

    // What happens when calls or workers do not end well.

    // How patiently calls are ended.
    CancelPatience patience;
    // Whether a worker that crashed is started again; calls wait meanwhile.
    Restart restart = Restart::never;
    RestartPolicy restart_policy;
    // Runs in a thread of the session's when a restarted worker is ready, before calls go on: for weights, and what
    // else it must be given. Its own calls pass. If it throws, the worker is terminated and the calls that wait fail.
    // It must return, and must not destroy the session.
    std::function<void(PythonSession&)> on_restart;

    // What becomes of the worker's stdout and stderr; the last lines are kept in any case. Default: by quiet_mode.
    std::optional<Output> output;
    // Discard the output instead of passing it on.
    bool quiet_mode = false;
};

}  // namespace tr
