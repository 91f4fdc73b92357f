// PythonSession: starts a Python worker, calls it, shares tensors with it, watches it, stops it.
#pragma once

#include "tech_renaissance/config.h"  // first, because it says which C++ is needed

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/exposed.h"
#include "tech_renaissance/future.h"
#include "tech_renaissance/input.h"
#include "tech_renaissance/keyword.h"
#include "tech_renaissance/native_handle.h"
#include "tech_renaissance/post_mortem.h"
#include "tech_renaissance/push.h"
#include "tech_renaissance/session_options.h"
#include "tech_renaissance/stream.h"
#include "tech_renaissance/tensor.h"
#include "tech_renaissance/value.h"

namespace tr {

// What a worker is doing.
struct SessionState {
    // "none", "starting", "ready", "busy", "asking" (busy with a request whose handler waits for a function of this
    // host), "hung" (busy with a request whose deadline has passed), "exiting", "exited", "lost" or "restarting".
    std::string name;
    // What it is busy with, command and parameters, and for how long.
    std::string message = {};
    std::chrono::duration<double> busy_for{0};
};

namespace detail {

// Whether these arguments may follow the command in PythonSession::calculate: tensors, then perhaps a timeout or
// CallOptions.
template <class... Arguments>
constexpr bool can_calculate() {
    constexpr bool is_tensor[] = {std::is_convertible_v<const Arguments&, Tensor>..., true};
    constexpr bool is_last[] = {((std::is_integral_v<Arguments> && !std::is_same_v<Arguments, bool>) ||
                                 std::is_same_v<Arguments, CallOptions>)...,
                                true};
    std::size_t tensors = 0;
    while (tensors < sizeof...(Arguments) && is_tensor[tensors]) ++tensors;
    return tensors == sizeof...(Arguments) || (tensors + 1 == sizeof...(Arguments) && is_last[tensors]);
}

}  // namespace detail

// One worker process and everything said to it.
//
// Thread-safe: concurrent fetch_* and calculate calls each get their own answer; the worker serves one at a time, in
// the order in which they were sent. Timeouts are in milliseconds and start when the worker is ready: a call made
// while it is starting first waits for it, up to SessionOptions::launch_timeout. A call whose timeout passes throws
// TimedOut, and its late answer is discarded.
//
// Members that start, stop or set up the worker are not const. Calls and tensors are: they leave the session as it is.
//
// The destructor leaves no process and no files. All errors are TRExceptions; after one, the session remains usable, or
// can be started again.
class PythonSession {
public:
    static constexpr std::uint32_t default_timeout_ms = detail::default_timeout_ms;

    // Makes a session; nothing happens until start() (or a first send_tensor). Throws LocalProtocolError bad_name or
    // bad_option.
    explicit PythonSession(const std::string& script_path = "default", const std::string& session_id = "default",
                           bool quiet_mode = false);
    explicit PythonSession(SessionOptions options);
    PythonSession(const PythonSession&) = delete;
    PythonSession& operator=(const PythonSession&) = delete;
    ~PythonSession();

    const std::string& session_id() const noexcept;

    // Absolute path of the session directory.
    const std::string& session_dir() const noexcept;

    // Discard the worker's output, or pass it on; takes effect at the next start().
    void set_quiet_mode(bool quiet);

    // ------------------------------------------------------------------ life

    // Starts the worker. Returns before it is ready, unless `wait_ms` is given: then it waits up to that long, and it
    // is not an error if the worker needs longer. Does nothing if a worker is running. Works again after terminate(),
    // an exit or a crash; tensors sent under tags are still there. Throws LaunchError: no interpreter, no script, the
    // session id is in use, the system refused, or the worker died during the wait.
    void start(std::uint32_t wait_ms = 0);

    // Whether the worker's process runs, as the system says now.
    bool is_alive() const;

    // Asks the worker to leave once it has served what it was sent, and waits for it. Throws TimedOut if it has not
    // left in time; with `ensure` it is terminated instead. Without a worker it does nothing. A pending restart is
    // called off, and quarantined requests are forgiven.
    void please_exit(std::uint32_t timeout_ms = 5000, bool ensure = false);

    // Ends the worker now, for certain. Its directory and tensors stay, for the next start(). A pending restart is
    // called off, and quarantined requests are forgiven.
    void terminate();

    // Waits for the worker's process to end on its own; false if it is still running.
    bool join(std::uint32_t timeout_ms = default_timeout_ms) const;

    // Ends the call in work, from another thread: its caller gets CallCancelled. Of several it is the
    // oldest, but those of which nothing runs, such as streams that wait until their values are taken, come last;
    // without any, it is the oldest that waits for a worker. Once the call has ended, returns the step that was needed
    // ("notice", "interrupt", "terminate" or "kill"; "queue" if the worker had not begun it); empty if there was no
    // call.
    std::string cancel();

    // ----------------------------------------------------------------- state

    // What the worker is doing now; asks the system whether it is alive.
    SessionState state() const;

    // The Python stacks of the worker's threads (only the main thread's while no Python code runs), or why they cannot
    // be taken; empty if the worker offers none.
    std::string stack() const;

    // How the last worker ended; null if none has.
    std::shared_ptr<const PostMortem> post_mortem() const;

    // Whether the worker is waiting for a request.
    bool is_ready() const;

    // Whether the worker has an unanswered request.
    bool is_busy() const;

    // Waits until the worker can serve; false if it cannot yet. Throws LaunchError or WorkerLost if it died.
    bool wait_until_ready(std::uint32_t timeout_ms = default_timeout_ms) const;

    // Waits until all requests are answered; true if the last one succeeded. Throws WorkerLost.
    bool wait_until_ok(std::uint32_t timeout_ms = default_timeout_ms) const;

    // Whether the answer to the oldest send_request is there to be read.
    bool new_response() const;

    // ----------------------------------------------------------------- calls

    // Calls a command of the worker's with values, and returns its result as a T:
    //
    //     double loss = session.call<double>("train", weights, 3, kw("rate", 0.1));
    //
    // Values are what codec.h lists: numbers, text, Bytes, tensors, vectors, maps, structs with TR_FIELDS, Value for
    // anything; void drops the result. input_from(...) is an input, whose values go to the command while it works.
    // First come the arguments by place, then those by name and CallOptions. What is in them may change afterwards,
    // except for tensors made by `empty`, which the worker shares for as long as it keeps them. Throws CommandError:
    // the command failed ("command_failed"), does not exist ("unknown_command"), has other parameters
    // ("wrong_arguments"), or its result is no T ("wrong_type"); TimedOut, WorkerLost; RemoteProtocolError
    // "old_protocol" if the worker's package is too old; LocalProtocolError "bad_value" for an argument that is no
    // value.
    template <class T = Value, class... Arguments>
    T call(std::string_view command, const Arguments&... arguments) const {
        const detail::CallSetup setup = detail::setup_among<detail::Made::Waiting>(arguments...);
        return detail::value_of<T>(make_call(command, encode_call(arguments...), setup), command);
    }

    // The same without waiting for the result: many calls can be under way. Waits only for a worker that is starting.
    // Calls for which the worker has no room wait in line here; they are sent while somebody waits for any of them, or
    // makes other calls. Throws as above what is known at once: of the arguments, or that no worker serves the call
    // (SessionClosed, LaunchError, WorkerLost, which is "quarantined" if two workers have died of it). The future's
    // `get` throws the rest.
    template <class T = Value, class... Arguments>
    Future<T> submit(std::string_view command, const Arguments&... arguments) const {
        const detail::CallSetup setup = detail::setup_among<detail::Made::Submitted>(arguments...);
        return Future<T>(begin_call(command, encode_call(arguments...), setup));
    }

    // Calls a command that is a generator, and gives its values as they come:
    //
    //     for (const std::string& token : session.stream<std::string>("generate", "hello")) std::cout << token;
    //
    // R: what the generator returns at last. A deadline in CallOptions is for all of it. Throws as `submit`. Over files
    // the values come all at once.
    template <class T = Value, class R = void, class... Arguments>
    Stream<T, R> stream(std::string_view command, const Arguments&... arguments) const {
        detail::CallSetup setup = detail::setup_among<detail::Made::Waiting>(arguments...);
        setup.streams = true;
        return Stream<T, R>(begin_call(command, encode_call(arguments...), setup));
    }

    // Calls a command to which values are sent one after another while it works. tr::input stands for them among the
    // arguments, by place or by name:
    //
    //     auto push = session.open<double>("train", tr::input, kw("rate", 0.1));
    //     for (const Batch& batch : batches) push.push(batch);
    //     double loss = push.finish();
    //
    // Throws as `submit`.
    template <class T = Value, class... Arguments>
    Push<T> open(std::string_view command, const Arguments&... arguments) const {
        const detail::CallSetup setup = detail::setup_among<detail::Made::Open>(arguments...);
        return Push<T>(begin_call(command, encode_call(arguments...), setup), setup.options.timeout);
    }

    // Waits until the worker has been given every call in line, and so goes on by itself; false if it has not been in
    // time. Throws WorkerLost.
    bool flush(std::uint32_t timeout_ms = default_timeout_ms) const;

    // Sends a request; wait_for_* gets its answer. If earlier requests fill the transport, waits for room, at most
    // `timeout`, by default as long as a launch may take. The message is plain text (command, then parameters), or a
    // JSON object in one of the two dialects. Answers that a wait_for_* gave up on are discarded from now on.
    void send_request(const std::string& message, const CallOptions& options = {}) const;

    // The text of an answer that has already come; like wait_for_response(0).
    std::string read_response() const;

    // The text of the answer to the oldest send_request. Throws TimedOut (you may wait again until the next request),
    // CommandError if the command failed, WorkerLost, LocalProtocolError "no_request".
    std::string wait_for_response(std::uint32_t timeout_ms = default_timeout_ms) const;

    // The (first) tensor of the answer to the oldest send_request; errors as above.
    Tensor wait_for_tensor(std::uint32_t timeout_ms = default_timeout_ms) const;

    // All tensors of the answer to the oldest send_request; errors as above.
    std::vector<Tensor> wait_for_tensors(std::uint32_t timeout_ms = default_timeout_ms) const;

    // Sends a request and returns the text of its answer; errors as above.
    std::string fetch_response(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) const;
    std::string fetch_response(const std::string& message, const CallOptions& options) const;

    // Sends a request and returns the (first) tensor of its answer; errors as above.
    Tensor fetch_tensor(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) const;
    Tensor fetch_tensor(const std::string& message, const CallOptions& options) const;

    // Sends a request and returns all tensors of its answer; errors as above.
    std::vector<Tensor> fetch_tensors(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) const;
    std::vector<Tensor> fetch_tensors(const std::string& message, const CallOptions& options) const;

    // Calls a command with any number of tensors and returns the (first) tensor of its answer.
    // calculate("softmax dim=1", x) sends the request "softmax $0 dim=1" and the tensor: $0, $1 and so on stand for
    // the tensors, between the command's first word and the rest. A handler gets "$0 dim=1" as its parameters, and the
    // tensors belong to this call alone. After the tensors there may be an integer, the timeout in
    // milliseconds, or CallOptions: calculate("add", a, b, 5000). Errors as above.
    template <class... Arguments, std::enable_if_t<detail::can_calculate<Arguments...>(), int> = 0>
    Tensor calculate(const std::string& command, const Arguments&... arguments) const {
        std::vector<Tensor> tensors;
        CallOptions options;
        (sort_argument(arguments, tensors, options), ...);
        return calculate(command, tensors, options);
    }
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors, std::uint32_t timeout_ms) const;
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors, const CallOptions& options) const;

    // ------------------------------------------------------------- callbacks

    // Lets handlers call a function of this program, as `self.host.NAME(...)`: session.expose("price", [](int item) {
    // return prices.at(item); }). Its arguments and its result are values; void is null, and std::optional arguments
    // may be left out. It is called in the thread that waits for the handler's call, or dispatches, without any lock.
    // What it throws is a CommandError in the handler. If the command is not async, nothing else can be waited for in
    // this session meanwhile (LocalProtocolError "would_wait_for_itself"). LocalProtocolError "bad_message" for a name
    // that is not one word, or begins with "_".
    template <class Function>
    void expose(const std::string& name, Function function) {
        if constexpr (std::is_same_v<Function, std::nullptr_t>)
            unexpose(name);
        else {
            static_assert(detail::HasOneSignature<Function>::value,
                          "the types of this function's parameters cannot be seen, because it is a template, as with "
                          "`auto` parameters, or overloaded: give a lambda whose parameters have types");
            set_exposed(name, detail::exposed_function(std::function(std::move(function))));
        }
    }
    // Takes it away again. LocalProtocolError "bad_message" as above.
    void unexpose(const std::string& name);

    // ------------------------------------------------------------ event loops

    // A thread that waits for a call also moves all others on. A program that has an event loop of its own and never
    // waits calls `dispatch` instead: when the handle is ready, and after it has submitted calls, before it sleeps.

    // Gives what has come to its calls, sends what is in line, and runs the callbacks of Future::on_done. Does not
    // wait, and costs little when there is nothing to do. What a callback throws comes out of it; the others are run
    // next time. What on_progress throws is what its call gives; it comes out of this only if nobody has that call any
    // more. Callbacks may do anything with the session, and even destroy it. Any thread may call this.
    void dispatch() const;

    // Ready for as long as `dispatch` has something to do. It stays the same from worker to worker, to the end of the
    // session. POSIX: a descriptor to be polled for reading, by poll, epoll, kqueue, or a loop that wraps them;
    // Windows: an event. From the first call on, a worker has to wake this handle, so calls take a little longer.
    // Throws LaunchError.
    NativeHandle wait_handle();

    // Has `dispatch` called by an executor: a function that runs what it is given, sooner or later, in a thread of its
    // choice. A thread of ours sleeps until there is something to do, and hands over one dispatch at a time. An empty
    // function ends that. Throws LaunchError.
    using Executor = std::function<void(std::function<void()>)>;
    void on_done(Executor executor);

    // --------------------------------------------------------------- tensors

    // A new, uninitialised tensor that send_tensor need not copy: over shared memory, the worker sees this very memory.
    // It outlives the session. Throws ArenaFull.
    Tensor empty(const Shape& shape, DType dtype = DType::FP32) const;

    // Puts a tensor under a tag for the worker. It stays until it is replaced or dropped. Throws LocalProtocolError for
    // a tag that is not a valid name.
    void send_tensor(const Tensor& tensor, const std::string& tag) const;

    // Puts several tensors under as many tags; all tags are checked first.
    void send_tensors(const std::vector<Tensor>& tensors, const std::vector<std::string>& tags) const;

    // Forgets the tensor under a tag, if there is one.
    void drop_tensor(const std::string& tag) const;

private:
    struct Impl;

    Body make_call(std::string_view command, Body arguments, const detail::CallSetup& setup) const;
    detail::Pending begin_call(std::string_view command, Body arguments, const detail::CallSetup& setup) const;
    void set_exposed(const std::string& name, detail::ExposedFunction function);

    // Puts an argument of calculate() where it belongs.
    template <class Argument>
    static void sort_argument(const Argument& argument, std::vector<Tensor>& tensors, CallOptions& options) {
        if constexpr (std::is_convertible_v<const Argument&, Tensor>)
            tensors.push_back(argument);
        else if constexpr (std::is_integral_v<Argument>)
            options.timeout = std::chrono::milliseconds(static_cast<std::uint32_t>(argument));
        else
            options = argument;
    }

    std::unique_ptr<Impl> impl_;
};

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/python_session.h"
#endif
