// PythonSession: starts a Python worker, calls it, shares tensors with it, watches it, stops it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/call_options.h"
#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/post_mortem.h"
#include "tech_renaissance/session_options.h"
#include "tech_renaissance/tensor.h"

namespace tr {

// What a worker does.
struct SessionState {
    // "none", "starting", "ready", "busy", "hung" (busy with a request whose deadline has passed), "exiting", "exited",
    // "lost" or "restarting".
    std::string name;
    // What it is busy with, command and parameters, and for how long.
    std::string command = {};
    std::chrono::duration<double> busy_for{0};
};

namespace detail {

// Whether these may follow the command in PythonSession::calculate: tensors, then perhaps a timeout or CallOptions.
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
// the order in which they were sent. Timeouts are in milliseconds and count from the worker's readiness: a call made
// while it still starts waits for it, up to SessionOptions::launch_timeout. A call whose timeout passes throws
// TimedOut, and its late answer is discarded.
//
// The destructor leaves no process and no files. All errors are TRExceptions; after one the session can be used on, or
// started again.
class PythonSession {
public:
    static constexpr std::uint32_t default_timeout_ms = detail::Caller::default_timeout_ms;

    // Makes a session; nothing happens until start() (or a first send_tensor). Throws LocalProtocolError bad_name or
    // bad_option.
    explicit PythonSession(const std::string& script_path = "default", const std::string& session_id = "default",
                           bool quiet_mode = false)
        : PythonSession(options_of(script_path, session_id, quiet_mode)) {}
    explicit PythonSession(SessionOptions options)
        : life_(std::move(options), [bell = bell_] { ring(*bell); }),
          caller_(life_, {[this] { prepare_restart(); }, [this] { run_hook(); }}) {
        *bell_ = caller_.supervisor();
    }
    PythonSession(const PythonSession&) = delete;
    PythonSession& operator=(const PythonSession&) = delete;
    ~PythonSession() {
        if (!life_.is_ours()) {
            caller_.leave_threads();
            return;
        }
        caller_.close();
        life_.end();
    }

    const std::string& session_id() const noexcept { return life_.options().session_id; }

    // Absolute path of the session directory.
    const std::string& session_dir() const noexcept { return life_.path(); }

    // Discard the worker's output, or pass it on; takes effect at the next start().
    void set_quiet_mode(bool quiet) { life_.set_quiet(quiet); }

    // ------------------------------------------------------------------ life

    // Starts the worker. Returns before it is ready, unless `wait_ms` says how long to wait for that at most; that it
    // is not ready by then is no error. Does nothing if one runs. Works again after terminate(), an exit or a crash;
    // tensors sent under tags are still there. Throws LaunchError: no interpreter, no script, the session id in use,
    // refused by the system, or died while it was waited for.
    void start(std::uint32_t wait_ms = 0) {
        launch();
        if (wait_ms > 0) wait_until_ready(wait_ms);
    }

    // Whether the worker's process runs, as the system says now.
    bool is_alive() const {
        const auto worker = life_.worker();
        return worker && worker->is_alive();
    }

    // Asks the worker to leave once it has served what it was sent, and waits for it. Throws TimedOut if it has not
    // left in time; with `ensure` it is terminated instead. No worker, no error.
    void please_exit(std::uint32_t timeout_ms = 5000, bool ensure = false) {
        const auto worker = life_.worker();
        if (!worker || worker->leave(Milliseconds(timeout_ms))) return;
        if (!ensure) throw TimedOut("the worker did not exit within " + std::to_string(timeout_ms) + " ms");
        terminate();
    }

    // Ends the worker now, for certain. Its directory and tensors stay, for the next start(). Quarantined requests are
    // forgiven.
    void terminate() {
        if (caller_.supervisor()) caller_.supervisor()->stand_down();
        life_.terminate();
    }

    // Waits for the worker's process to end by itself; false if it still runs.
    bool join(std::uint32_t timeout_ms = default_timeout_ms) const {
        const auto worker = life_.worker();
        return !worker || worker->process().wait(Milliseconds(timeout_ms));
    }

    // Ends the call in work, from another thread: its caller gets CallCancelled. Returns once that is so: the step that
    // was needed ("notice", "interrupt", "terminate" or "kill"), empty if nothing was in work.
    std::string cancel() {
        const WorkerPtr worker = life_.worker();
        const std::optional<std::int64_t> id = worker ? worker->exchange().in_work() : std::nullopt;
        const std::optional<detail::InWork> in_work = id ? worker->in_work() : std::nullopt;
        if (!in_work || in_work->call->request.id != id) return "";
        return worker->end_call(*id, detail::message_of(in_work->call->request), detail::GivenUp::cancel);
    }

    // ----------------------------------------------------------------- state

    // What the worker does now; asks the system whether it lives.
    SessionState state() const {
        const WorkerPtr worker = life_.worker();
        if (!worker) return {"none"};
        if (caller_.supervisor() && caller_.supervisor()->is_restarting()) return {"restarting"};
        if (!worker->is_alive()) return {worker->was_lost() ? "lost" : "exited"};
        const detail::State state = worker->exchange().state();
        const std::optional<detail::InWork> in_work = worker->in_work();
        if (state == detail::State::exited) return {"exiting"};  // it has said so, and its process still runs
        if (state != detail::State::busy || !in_work) return {detail::name_of(state)};
        return {in_work->call->is_overdue() ? "hung" : "busy", detail::message_of(in_work->call->request),
                detail::Clock::now() - in_work->since};
    }

    // The Python stacks of the worker's threads, of the main thread alone while it runs no Python code; or why they
    // cannot be had. Empty if it offers none.
    std::string stack() const {
        const WorkerPtr worker = life_.worker();
        return worker ? worker->stacks() : "";
    }

    // How the last worker ended; null if none has.
    std::shared_ptr<const PostMortem> post_mortem() const { return life_.post_mortem(); }

    // Whether the worker waits for a request.
    bool is_ready() const { return is_alive() && caller_.worker()->exchange().state() == detail::State::ready; }

    // Whether the worker has a request that it has not answered.
    bool is_busy() const { return is_alive() && caller_.worker()->exchange().state() == detail::State::busy; }

    // Waits until the worker can serve; false if it cannot yet. Throws LaunchError or WorkerLost if it died.
    bool wait_until_ready(std::uint32_t timeout_ms = default_timeout_ms) const {
        return caller_.worker()->exchange().wait_started(Milliseconds(timeout_ms));
    }

    // Waits until all requests are answered; true if the last one succeeded. Throws WorkerLost.
    bool wait_until_ok(std::uint32_t timeout_ms = default_timeout_ms) const {
        const WorkerPtr worker = caller_.ready_worker();
        return worker->exchange().wait_idle(Milliseconds(timeout_ms)) && !worker->exchange().last_failed();
    }

    // Whether the answer to the oldest send_request is there to be read.
    bool new_response() const {
        const WorkerPtr worker = caller_.worker();
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        return !asked_.empty() && worker->exchange().is_done(asked_.front());
    }

    // ----------------------------------------------------------------- calls

    // Sends a request; its answer is for wait_for_*. Waits for room when earlier requests fill the transport, at most
    // `timeout`, or as long as a launch may take. The message is plain text (command, then parameters), or a JSON
    // object in one of the two dialects. Answers that a wait_for_* gave up on are discarded from now on.
    void send_request(const std::string& message, const CallOptions& options = {}) {
        const CallPtr call = caller_.make_call(message, options);
        const Milliseconds timeout = options.timeout.value_or(life_.options().launch_timeout);
        if (call->request.is_exit()) return caller_.ask_to_leave([this] { forget_timed_out(); });
        caller_.submit(call, timeout, [this] { forget_timed_out(); });
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        asked_.push_back(call);
    }

    // The text of the answer that is there; like wait_for_response(0).
    std::string read_response() { return wait_for_response(0); }

    // The text of the answer to the oldest send_request. Throws TimedOut (waiting again is possible until the next
    // request), CommandError if the command failed, WorkerLost, LocalProtocolError "no_request".
    std::string wait_for_response(std::uint32_t timeout_ms = default_timeout_ms) { return text_of(wait(timeout_ms)); }

    // The (first) tensor of the answer to the oldest send_request; errors as above.
    Tensor wait_for_tensor(std::uint32_t timeout_ms = default_timeout_ms) {
        return tensors_of(wait(timeout_ms)).front();
    }

    // All tensors of the answer to the oldest send_request; errors as above.
    std::vector<Tensor> wait_for_tensors(std::uint32_t timeout_ms = default_timeout_ms) {
        return tensors_of(wait(timeout_ms));
    }

    // Sends a request and returns the text of its answer; errors as above.
    std::string fetch_response(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) {
        return fetch_response(message, within(timeout_ms));
    }
    std::string fetch_response(const std::string& message, const CallOptions& options) {
        return text_of(caller_.fetch(message, options));
    }

    // Sends a request and returns the (first) tensor of its answer; errors as above.
    Tensor fetch_tensor(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) {
        return fetch_tensor(message, within(timeout_ms));
    }
    Tensor fetch_tensor(const std::string& message, const CallOptions& options) {
        return fetch_tensors(message, options).front();
    }

    // Sends a request and returns all tensors of its answer; errors as above.
    std::vector<Tensor> fetch_tensors(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) {
        return fetch_tensors(message, within(timeout_ms));
    }
    std::vector<Tensor> fetch_tensors(const std::string& message, const CallOptions& options) {
        return tensors_of(caller_.fetch(message, options));
    }

    // Calls a command with any number of tensors and returns the (first) tensor of its answer. The worker gets them
    // under tags of this call, before what stands behind the command's first word: calculate("softmax dim=1", x).
    // After the tensors there may be an integer, the timeout in milliseconds, or CallOptions: calculate("add", a, b,
    // 5000). Errors as above.
    template <class... Arguments, std::enable_if_t<detail::can_calculate<Arguments...>(), int> = 0>
    Tensor calculate(const std::string& command, const Arguments&... arguments) {
        std::vector<Tensor> tensors;
        CallOptions options;
        (sort_argument(arguments, tensors, options), ...);
        return calculate(command, tensors, options);
    }
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors, std::uint32_t timeout_ms) {
        return calculate(command, tensors, within(timeout_ms));
    }
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors, const CallOptions& options) {
        const CallTensors sent(life_.transport(), caller_.next_id(), tensors);
        const detail::Request request = detail::parse_message(command);
        std::string message = request.command;
        for (const std::string& tag : sent.tags()) message += " " + tag;
        if (!request.parameters.empty()) message += " " + request.parameters;
        return fetch_tensor(message, options);
    }

    // --------------------------------------------------------------- tensors

    // A new tensor, uninitialised, that send_tensor need not copy: over shared memory, the worker sees this very
    // memory. It stays valid after the session is gone. Throws ArenaFull.
    Tensor empty(const Shape& shape, DType dtype = DType::FP32) { return life_.transport().empty(shape, dtype); }

    // Puts a tensor under a tag for the worker. It stays until replaced or dropped. Throws LocalProtocolError for a tag
    // that is no name.
    void send_tensor(const Tensor& tensor, const std::string& tag) {
        detail::check_tag_to_send(tag);
        life_.transport().put_tensor(tag, tensor);
    }

    // Puts several tensors under as many tags; all tags are checked first.
    void send_tensors(const std::vector<Tensor>& tensors, const std::vector<std::string>& tags) {
        if (tensors.size() != tags.size()) {
            throw LocalProtocolError("bad_name", std::to_string(tensors.size()) + " tensors need as many tags, not " +
                                                     std::to_string(tags.size()));
        }
        for (const std::string& tag : tags) detail::check_tag_to_send(tag);
        for (std::size_t i = 0; i < tensors.size(); ++i) send_tensor(tensors[i], tags[i]);
    }

    // Forgets the tensor under a tag; that there is none is no error.
    void drop_tensor(const std::string& tag) {
        detail::check_tag_to_send(tag);
        life_.transport().drop_tensor(tag);
    }

private:
    using Milliseconds = std::chrono::milliseconds;
    using CallPtr = detail::CallPtr;
    using WorkerPtr = detail::WorkerPtr;
    using Bell = std::weak_ptr<detail::Supervisor>;  // the supervisor is told of ends, as long as it is there

    // The tensors of one calculate(), under tags of its own until it ends.
    class CallTensors {
    public:
        CallTensors(detail::HostTransport& transport, std::int64_t call, const std::vector<Tensor>& tensors)
            : transport_(transport) {
            for (std::size_t i = 0; i < tensors.size(); ++i) {
                tags_.push_back("_" + std::to_string(call) + "_" + std::to_string(i));
                transport_.put_tensor(tags_.back(), tensors[i]);
            }
        }
        ~CallTensors() {
            try {
                for (const std::string& tag : tags_) transport_.drop_tensor(tag);
            } catch (const std::exception&) {  // they go with the session
            }
        }
        CallTensors(const CallTensors&) = delete;
        CallTensors& operator=(const CallTensors&) = delete;

        const std::vector<std::string>& tags() const noexcept { return tags_; }

    private:
        detail::HostTransport& transport_;
        std::vector<std::string> tags_;
    };

    static SessionOptions options_of(const std::string& script_path, const std::string& session_id, bool quiet_mode) {
        SessionOptions options;
        options.script_path = script_path;
        options.session_id = session_id;
        options.quiet_mode = quiet_mode;
        return options;
    }

    static void check(const detail::Response& response) {
        if (!response.error) return;
        const detail::Failure& error = *response.error;
        std::string text = response.command + ": " + error.message;
        if (!error.traceback.empty()) text += "\n" + error.traceback;
        throw CommandError(error.code, text, {error.type, error.message, error.traceback}, response.result);
    }

    static std::string text_of(detail::Reply reply) {
        check(reply.response);
        return std::move(reply.response.result);
    }

    static std::vector<Tensor> tensors_of(detail::Reply reply) {
        check(reply.response);
        if (reply.tensors.empty()) {
            const std::string text =
                "'" + reply.response.command + "' answered '" + reply.response.result + "' and no tensor";
            throw CommandError("no_tensor", text, {}, reply.response.result);
        }
        return std::move(reply.tensors);
    }

    static void ring(const Bell& bell) {
        if (const auto supervisor = bell.lock()) supervisor->worker_ended();
    }

    // Puts an argument of calculate() where it belongs.
    template <class Argument>
    static void sort_argument(const Argument& argument, std::vector<Tensor>& tensors, CallOptions& options) {
        if constexpr (std::is_convertible_v<const Argument&, Tensor>)
            tensors.push_back(argument);
        else if constexpr (std::is_integral_v<Argument>)
            options = within(static_cast<std::uint32_t>(argument));
        else
            options = argument;
    }

    static CallOptions within(std::uint32_t timeout_ms) { return {Milliseconds(timeout_ms), std::nullopt, false}; }

    detail::Reply wait(std::uint32_t timeout_ms) {
        caller_.worker();
        const CallPtr call = take_asked();
        const Milliseconds timeout(timeout_ms);
        try {
            return caller_.answer(call, detail::deadline_after(timeout), timeout);
        } catch (const TimedOut& error) {
            const std::lock_guard<std::mutex> lock(asked_mutex_);
            if (error.code() == "timed_out") asked_.push_front(call);
            throw;
        }
    }

    void launch() {
        const auto& supervisor = caller_.supervisor();
        if (supervisor) supervisor->prepare();
        if (!life_.start()) return;
        if (supervisor) supervisor->watch(life_.worker());
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        asked_.clear();
    }

    // In the supervisor's thread.
    void prepare_restart() {
        if (life_.options().restart_policy.keep_tags) return;
        for (const std::string& tag : life_.transport().tags()) {
            if (!detail::is_reserved_tag(tag)) life_.transport().drop_tensor(tag);  // those are of calls that wait
        }
    }

    void run_hook() {
        if (life_.options().on_restart) life_.options().on_restart(*this);
    }

    CallPtr take_asked() {
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        if (asked_.empty())
            throw LocalProtocolError("no_request", "there is no request to wait for: send_request comes first");
        CallPtr call = asked_.front();
        asked_.pop_front();
        return call;
    }

    void forget_timed_out() {
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        for (auto call = asked_.begin(); call != asked_.end();) {
            if ((*call)->timed_out) {
                caller_.abandon(*call);
                call = asked_.erase(call);
            } else {
                ++call;
            }
        }
    }

    std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
    mutable detail::Life life_;
    mutable detail::Caller caller_;
    mutable std::mutex asked_mutex_;
    std::deque<CallPtr> asked_;  // calls of send_request whose answers nobody has fetched
};

}  // namespace tr
