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

// When a call is ended, how long each step is given before the next one is taken: spec/life.md.
struct CancelPatience {
    // After the handler was notified.
    std::chrono::milliseconds notice{200};
    // After it was interrupted.
    std::chrono::milliseconds interrupt{1000};
    // After its worker was asked to end.
    std::chrono::milliseconds terminate{1000};
};

enum class Restart { never, on_crash };

// How a crashed worker is restarted.
struct RestartPolicy {
    // How long to wait before a restart. Doubled with each crash in a row, up to max_backoff; starts over once a worker
    // has lived for ten seconds.
    std::chrono::milliseconds first_backoff{100};
    std::chrono::milliseconds max_backoff{10000};
    // No restart is made after `limit` restarts within `window`.
    int limit = 5;
    std::chrono::milliseconds window{60000};
    // Whether the next worker finds the tensors under their tags again.
    bool keep_tags = true;
};

struct SessionOptions {
    // What runs.

    // The worker's script, or "default" for the default server of the Python package.
    std::string script_path = "default";
    // A name; only one living session in a workspace may have it.
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

    // Where it runs, and how both sides wait.

    // The folder of the session directories. Default: TR_WORKSPACE, else "workspace" in the current directory.
    std::string workspace;
    // How long a worker may take to become ready, if neither start nor wait_until_ready waits longer. Then it is ended.
    std::chrono::milliseconds launch_timeout = std::chrono::seconds(30);
    // "shm" or "file". Default: TR_TRANSPORT, else shared memory if both sides support it.
    std::string transport;
    // "first:max" in milliseconds: poll files by this schedule, without file notifications. Default: TR_POLL_MS, else
    // notifications.
    std::string poll_ms;

    // Shared memory: how long each side looks for a message before it sleeps, up to a second. A call is fastest while
    // the other side is looking, but looking keeps a processor busy: for programs that have some to spare. Default:
    // TR_LOOK_US, else tens to hundreds of microseconds, and less while looking has not paid off.
    std::optional<std::chrono::microseconds> look;

    // What happens when calls or workers go wrong.

    // How patiently calls are ended.
    CancelPatience patience;
    // Whether a worker that crashed is started again; calls wait meanwhile.
    Restart restart = Restart::never;
    RestartPolicy restart_policy;
    // Runs in one of the session's threads when a restarted worker is ready, before calls go on: to send weights and
    // whatever else the worker needs. Its own calls go ahead of the waiting ones. If it throws, the worker is
    // terminated and the waiting calls fail. It must return. If it destroys the session, that ends in a thread of its
    // own.
    std::function<void(PythonSession&)> on_restart;

    // Where the worker's stdout and stderr go; the last lines are kept in any case. Default: as quiet_mode says.
    std::optional<Output> output;
    // Discard the output instead of passing it on.
    bool quiet_mode = false;
};

}  // namespace tr
