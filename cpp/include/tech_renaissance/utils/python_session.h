// PythonSession: starts a Python worker, calls it, shares tensors with it, watches it, stops it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/life.h"
#include "tech_renaissance/detail/names.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"
#include "tech_renaissance/utils/session_options.h"

namespace tr {

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
    static constexpr std::uint32_t default_timeout_ms = 10000;

    // Makes a session; nothing happens until start() (or a first send_tensor). Throws LocalProtocolError bad_name or
    // bad_option.
    explicit PythonSession(const std::string& script_path = "default", const std::string& session_id = "default",
                           bool quiet_mode = false)
        : PythonSession(options_of(script_path, session_id, quiet_mode)) {}
    explicit PythonSession(SessionOptions options) : life_(std::move(options)) {}
    PythonSession(const PythonSession&) = delete;
    PythonSession& operator=(const PythonSession&) = delete;

    const std::string& session_id() const noexcept { return life_.options().session_id; }

    // Absolute path of the session directory.
    const std::string& session_dir() const noexcept { return life_.path(); }

    // Discard the worker's output, or pass it on; takes effect at the next start().
    void set_quiet_mode(bool quiet) { life_.set_quiet(quiet); }

    // ------------------------------------------------------------------ life

    // Starts the worker; returns before it is ready. Does nothing if one runs. Works again after terminate(), an exit
    // or a crash; tensors sent under tags are still there. Throws LaunchError: no interpreter, no script, the session
    // id in use, or refused by the system.
    void start() {
        if (!life_.start()) return;
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        asked_.clear();
    }

    // Whether the worker's process runs, as the system says now.
    bool is_alive() const {
        const auto worker = life_.worker();
        return worker && worker->process().is_alive();
    }

    // Asks the worker to leave once it has served what it was sent, and waits for it. Throws TimedOut if it has not
    // left in time; with `ensure` it is terminated instead. No worker, no error.
    void please_exit(std::uint32_t timeout_ms = 5000, bool ensure = false) {
        const auto worker = life_.worker();
        if (!worker || worker->leave(Milliseconds(timeout_ms))) return;
        if (!ensure) throw TimedOut("the worker did not exit within " + std::to_string(timeout_ms) + " ms");
        terminate();
    }

    // Ends the worker now, for certain. Its directory and tensors stay, for the next start().
    void terminate() { life_.stop(detail::StopStep::Action::terminate); }

    // Waits for the worker's process to end by itself; false if it still runs.
    bool join(std::uint32_t timeout_ms = default_timeout_ms) const {
        const auto worker = life_.worker();
        return !worker || worker->process().wait(Milliseconds(timeout_ms));
    }

    // ----------------------------------------------------------------- state

    // Whether the worker waits for a request.
    bool is_ready() const { return is_alive() && worker()->exchange().state() == detail::State::ready; }

    // Whether the worker has a request that it has not answered.
    bool is_busy() const { return is_alive() && worker()->exchange().state() == detail::State::busy; }

    // Waits until the worker can serve; false if it cannot yet. Throws LaunchError or WorkerLost if it died.
    bool wait_until_ready(std::uint32_t timeout_ms = default_timeout_ms) const {
        return worker()->exchange().wait_started(Milliseconds(timeout_ms));
    }

    // Waits until all requests are answered; true if the last one succeeded. Throws WorkerLost.
    bool wait_until_ok(std::uint32_t timeout_ms = default_timeout_ms) const {
        const WorkerPtr worker = ready_worker();
        return worker->exchange().wait_idle(Milliseconds(timeout_ms)) && !worker->exchange().last_failed();
    }

    // Whether the answer to the oldest send_request is there to be read.
    bool new_response() const {
        const WorkerPtr worker = this->worker();
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        return !asked_.empty() && worker->exchange().is_done(asked_.front());
    }

    // ----------------------------------------------------------------- calls

    // Sends a request; its answer is for wait_for_*. Waits for room when earlier requests fill the transport. The
    // message is plain text (command, then parameters), or a JSON object in one of the two dialects. Answers that a
    // wait_for_* gave up on are discarded from now on.
    void send_request(const std::string& message) {
        detail::Request request = detail::parse_message(message);
        const WorkerPtr worker = ready_worker();
        forget_timed_out(*worker);
        if (request.is_exit()) {
            if (worker->exchange().ask_to_leave(life_.options().launch_timeout)) return;
            throw TimedOut("'exit' could not be sent: the worker is busy");
        }
        const CallPtr call = make_call(std::move(request));
        worker->exchange().send(call, life_.options().launch_timeout);
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
        return text_of(fetch(message, timeout_ms));
    }

    // Sends a request and returns the (first) tensor of its answer; errors as above.
    Tensor fetch_tensor(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) {
        return tensors_of(fetch(message, timeout_ms)).front();
    }

    // Sends a request and returns all tensors of its answer; errors as above.
    std::vector<Tensor> fetch_tensors(const std::string& message, std::uint32_t timeout_ms = default_timeout_ms) {
        return tensors_of(fetch(message, timeout_ms));
    }

    // Calls a command with any number of tensors and returns the (first) tensor of its answer. The worker gets them
    // under tags of this call, before what stands behind the command's first word: calculate("softmax dim=1", x).
    // Errors as above.
    template <class... Tensors, std::enable_if_t<(std::is_convertible_v<const Tensors&, Tensor> && ...), int> = 0>
    Tensor calculate(const std::string& command, const Tensors&... tensors) {
        return calculate(command, std::vector<Tensor>{tensors...}, default_timeout_ms);
    }
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors, std::uint32_t timeout_ms) {
        const CallTensors sent(life_.transport(), next_id_++, tensors);
        const detail::Request request = detail::parse_message(command);
        std::string message = request.command;
        for (const std::string& tag : sent.tags()) message += " " + tag;
        if (!request.parameters.empty()) message += " " + request.parameters;
        return fetch_tensor(message, timeout_ms);
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
    using CallPtr = detail::Exchange::CallPtr;
    using WorkerPtr = std::shared_ptr<detail::Worker>;

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

    WorkerPtr worker() const {
        WorkerPtr worker = life_.worker();
        if (!worker) throw SessionClosed("not_started", "the session has no worker: call start() first");
        return worker;
    }

    // The worker, once it is ready.
    WorkerPtr ready_worker() const {
        WorkerPtr worker = this->worker();
        const Milliseconds launch_timeout = life_.options().launch_timeout;
        if (!worker->exchange().wait_started(detail::left_until(worker->launched_at() + launch_timeout))) {
            const std::string text =
                "the worker was not ready within " + std::to_string(launch_timeout.count()) + " ms";
            throw LaunchError("launch_timeout", text, std::nullopt, worker->process().output_tail());
        }
        return worker;
    }

    CallPtr make_call(detail::Request request) {
        auto call = std::make_shared<detail::Call>();
        call->request = std::move(request);
        call->request.id = next_id_++;
        return call;
    }

    detail::Reply fetch(const std::string& message, std::uint32_t timeout_ms) {
        detail::Request request = detail::parse_message(message);
        if (request.is_exit()) throw LocalProtocolError("bad_message", "'exit' has no answer: use please_exit");
        const CallPtr call = make_call(std::move(request));
        const WorkerPtr worker = ready_worker();
        const auto deadline = detail::deadline_after(Milliseconds(timeout_ms));
        worker->exchange().send(call, detail::left_until(deadline));
        try {
            return worker->exchange().wait(call, detail::left_until(deadline));
        } catch (const TimedOut&) {
            worker->exchange().abandon(call);
            throw;
        }
    }

    detail::Reply wait(std::uint32_t timeout_ms) {
        const WorkerPtr worker = this->worker();
        const CallPtr call = take_asked();
        try {
            return worker->exchange().wait(call, Milliseconds(timeout_ms));
        } catch (const TimedOut&) {
            const std::lock_guard<std::mutex> lock(asked_mutex_);
            asked_.push_front(call);
            throw;
        }
    }

    CallPtr take_asked() {
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        if (asked_.empty())
            throw LocalProtocolError("no_request", "there is no request to wait for: send_request comes first");
        CallPtr call = asked_.front();
        asked_.pop_front();
        return call;
    }

    void forget_timed_out(detail::Worker& worker) {
        const std::lock_guard<std::mutex> lock(asked_mutex_);
        for (auto call = asked_.begin(); call != asked_.end();) {
            if (worker.exchange().timed_out(*call)) {
                worker.exchange().abandon(*call);
                call = asked_.erase(call);
            } else {
                ++call;
            }
        }
    }

    mutable detail::Life life_;
    std::atomic<std::int64_t> next_id_{1};
    mutable std::mutex asked_mutex_;
    std::deque<CallPtr> asked_;  // calls of send_request whose answers nobody has fetched
};

}  // namespace tr
