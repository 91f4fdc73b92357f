// Errors, sorted by who is at fault. Codes and meanings: spec/errors.md.
//
// TRException
// ├── LaunchError              the worker never became ready
// ├── SessionClosed            you used a session that is not started, or that you closed
// ├── WorkerLost               the worker died, or went away, while you needed it
// ├── TimedOut                 the answer did not come in time
// ├── CallCancelled            you cancelled the call
// ├── ProtocolError
// │   ├── LocalProtocolError   you asked for something the protocol does not allow
// │   └── RemoteProtocolError  the other side sent something the protocol does not allow
// ├── CommandError             the worker's command failed
// ├── FormatError              bytes that are not a TSR tensor, or a tensor TSR cannot hold
// ├── ArenaFull                no shared memory left for a tensor
// └── TensorError              a tensor operation that makes no sense: wrong dtype, shape or index
#pragma once

#include "tech_renaissance/config.h"  // first, because it says which C++ is needed

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace tr {

struct PostMortem;  // post_mortem.h

// Root of all errors. code() is stable; what() is for people.
class TRException : public std::runtime_error {
public:
    TRException(std::string code, std::string message)
        : std::runtime_error(without_nuls(std::move(message))), code_(std::move(code)) {}
    // For a program's own errors; the code is "error".
    explicit TRException(const std::string& message) : TRException("error", message) {}

    const std::string& code() const noexcept { return code_; }

private:
    // what() would end at the first of them.
    static std::string without_nuls(std::string text) {
        for (std::size_t at = 0; (at = text.find('\0', at)) != std::string::npos;) text.replace(at, 1, "\\x00");
        return text;
    }

    std::string code_;
};

// An error that concerns the worker's process.
class ProcessError : public TRException {
public:
    ProcessError(std::string code, const std::string& message, std::optional<int> exit_status = std::nullopt,
                 std::string output_tail = "", std::shared_ptr<const PostMortem> post_mortem = nullptr)
        : TRException(std::move(code), message),
          exit_status_(exit_status),
          output_tail_(std::move(output_tail)),
          post_mortem_(std::move(post_mortem)) {}

    // The exit code, negative for a signal (on Windows: an exception); nullopt while unknown.
    std::optional<int> exit_status() const noexcept { return exit_status_; }
    // The last lines the worker printed.
    const std::string& output_tail() const noexcept { return output_tail_; }
    // All that is known about the end; null if the process has not ended.
    const std::shared_ptr<const PostMortem>& post_mortem() const noexcept { return post_mortem_; }

private:
    std::optional<int> exit_status_;
    std::string output_tail_;
    std::shared_ptr<const PostMortem> post_mortem_;
};

class LaunchError : public ProcessError {
public:
    using ProcessError::ProcessError;
};

class WorkerLost : public ProcessError {
public:
    using ProcessError::ProcessError;
};

class SessionClosed : public TRException {
public:
    SessionClosed(std::string code, const std::string& message) : TRException(std::move(code), message) {}
};

// How a call without an answer ended.
struct CallEnd {
    // The step of the ladder that ended it: "notice", "interrupt", "terminate" or "kill"; "queue" if it had not begun;
    // empty if no step was taken.
    std::string step;
    // The worker's Python stacks at that time; empty if they could not be taken.
    std::string stack;
    // The worker's, if the worker had to be ended; else null.
    std::shared_ptr<const PostMortem> post_mortem;
};

// An error of a call that ended before its answer came.
class CallEnded : public TRException {
public:
    CallEnded(std::string code, const std::string& message, CallEnd end = {})
        : TRException(std::move(code), message), end_(std::move(end)) {}

    const std::string& step() const noexcept { return end_.step; }
    const std::string& stack() const noexcept { return end_.stack; }
    const std::shared_ptr<const PostMortem>& post_mortem() const noexcept { return end_.post_mortem; }

private:
    CallEnd end_;
};

// The answer did not come in time; a late one will be discarded. The code is timed_out if the worker is still at it,
// deadline_passed if the call was ended.
class TimedOut : public CallEnded {
public:
    explicit TimedOut(const std::string& message) : CallEnded("timed_out", message) {}
    using CallEnded::CallEnded;
};

// cancel() ended the call.
class CallCancelled : public CallEnded {
public:
    using CallEnded::CallEnded;
};

class ProtocolError : public TRException {
public:
    ProtocolError(std::string code, const std::string& message) : TRException(std::move(code), message) {}
};

class LocalProtocolError : public ProtocolError {
public:
    using ProtocolError::ProtocolError;
};

class RemoteProtocolError : public ProtocolError {
public:
    using ProtocolError::ProtocolError;
};

// The worker's command failed; the worker lives on, except after SystemExit and KeyboardInterrupt.
class CommandError : public TRException {
public:
    // What the reply said. type, message and traceback are those of the exception in the worker, empty if there was
    // none.
    struct Remote {
        std::string type;
        std::string message;
        std::string traceback;
    };

    CommandError(std::string code, const std::string& message, Remote remote = {}, std::string result = "")
        : TRException(std::move(code), message), remote_(std::move(remote)), result_(std::move(result)) {}

    const std::string& remote_type() const noexcept { return remote_.type; }
    const std::string& remote_message() const noexcept { return remote_.message; }
    const std::string& remote_traceback() const noexcept { return remote_.traceback; }
    const std::string& result() const noexcept { return result_; }

private:
    Remote remote_;
    std::string result_;
};

class FormatError : public TRException {
public:
    FormatError(std::string code, const std::string& message, std::int64_t offset = -1)
        : TRException(std::move(code), message), offset_(offset) {}

    // The position of the defect in the bytes, or -1.
    std::int64_t offset() const noexcept { return offset_; }

private:
    std::int64_t offset_;
};

class ArenaFull : public TRException {
public:
    explicit ArenaFull(const std::string& message) : TRException("arena_full", message) {}
};

// Codes: bad_dtype, bad_shape, bad_index, bad_device.
class TensorError : public TRException {
public:
    TensorError(std::string code, const std::string& message) : TRException(std::move(code), message) {}
};

}  // namespace tr
