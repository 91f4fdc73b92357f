// Checks the options of a session when they are given, so that no thread of ours is the first to stumble over one.
#pragma once

#include <string>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/process/command_line.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// The options in the form that the rest of a session expects. Life checks those that an environment variable may give
// instead. Throws LocalProtocolError bad_option, which says what would be right.
inline SessionOptions checked(SessionOptions options) {
    check_python_arguments(options.python_arguments);
    check_arguments("arguments", options.arguments);
    check_environment(options.environment);
    options.launch_timeout = bounded_option("launch_timeout", options.launch_timeout);
    CancelPatience& patience = options.patience;
    patience.notice = bounded_option("patience.notice", patience.notice);
    patience.interrupt = bounded_option("patience.interrupt", patience.interrupt);
    patience.terminate = bounded_option("patience.terminate", patience.terminate);
    RestartPolicy& policy = options.restart_policy;
    policy.first_backoff = bounded_option("restart_policy.first_backoff", policy.first_backoff);
    policy.max_backoff = bounded_option("restart_policy.max_backoff", policy.max_backoff);
    policy.window = bounded_option("restart_policy.window", policy.window);
    if (policy.limit < 0) {
        const std::string text = "restart_policy.limit is a number of restarts, 0 or more, not ";
        throw LocalProtocolError("bad_option", text + std::to_string(policy.limit));
    }
    return options;
}

}  // namespace tr::detail
