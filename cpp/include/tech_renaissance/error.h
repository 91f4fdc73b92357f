// Errors, sorted by who is at fault. Codes and meanings: spec/errors.md.
//
// TRException
// ├── LaunchError              the worker never became ready
// ├── SessionClosed            you used a session that is not started, or that you closed
// ├── WorkerLost               the worker died, or went away, while you needed it
// ├── TimedOut                 the answer did not come in time
// ├── ProtocolError
// │   ├── LocalProtocolError   you asked for something the protocol does not allow
// │   └── RemoteProtocolError  the other side sent something the protocol does not allow
// ├── CommandError             the worker's command failed
// ├── FormatError              bytes that are not a TSR tensor, or a tensor TSR cannot hold
// ├── ArenaFull                no shared memory left for a tensor
// └── TensorError              a tensor operation that makes no sense: wrong dtype, shape or index
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace tr {

// Root of all errors. code() is stable; what() is for people.
class TRException : public std::runtime_error {
public:
    TRException(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}

    const std::string& code() const noexcept { return code_; }

private:
    std::string code_;
};

// An error that the worker's process tells about.
class ProcessError : public TRException {
public:
    ProcessError(std::string code, const std::string& message, std::optional<int> exit_status = std::nullopt,
                 std::string output_tail = "")
        : TRException(std::move(code), message), exit_status_(exit_status), output_tail_(std::move(output_tail)) {}

    // The exit code, negative for a signal; nullopt while unknown.
    std::optional<int> exit_status() const noexcept { return exit_status_; }
    // The last lines the worker printed.
    const std::string& output_tail() const noexcept { return output_tail_; }

private:
    std::optional<int> exit_status_;
    std::string output_tail_;
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
    using TRException::TRException;
};

// The answer did not come in time. A late one will be discarded.
class TimedOut : public TRException {
public:
    explicit TimedOut(const std::string& message) : TRException("timed_out", message) {}
};

class ProtocolError : public TRException {
public:
    using TRException::TRException;
};

class LocalProtocolError : public ProtocolError {
public:
    using ProtocolError::ProtocolError;
};

class RemoteProtocolError : public ProtocolError {
public:
    using ProtocolError::ProtocolError;
};

// The worker's command failed; the worker lives on.
class CommandError : public TRException {
public:
    // What the reply said. type, message and traceback are those of the exception in the worker, empty where there was
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

    // The byte at which the defect stands, or -1.
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
    using TRException::TRException;
};

}  // namespace tr
