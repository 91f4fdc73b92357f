// How a call reaches a session's worker and its answer comes back, across starts, restarts, deadlines and timeouts.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/detail/host/attend.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/host/deadline_watch.h"
#include "tech_renaissance/detail/host/exposed.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Makes a session's calls, with whichever worker its life has at the time. Thread-safe. REQUIRES: the life outlives it.
class Caller {
public:
    using Milliseconds = std::chrono::milliseconds;

    Caller(Life& life, Supervisor::Hooks hooks)
        : life_(life),
          deadlines_(
              std::make_unique<DeadlineWatch>([this](const CallPtr& call, EndReason why) { return end(call, why); })) {
        if (life_.options().restart != Restart::never)
            supervisor_ = std::make_shared<Supervisor>(life_, std::move(hooks));
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;

    // Null without supervision.
    const std::shared_ptr<Supervisor>& supervisor() const noexcept { return supervisor_; }

    // From now on no call is ended or handed over. Call it before the life's end.
    void close() {
        deadlines_->close();
        if (supervisor_) supervisor_->close();
    }

    // For a fork, where the threads do not exist and locks may stay locked forever.
    void leave_threads() noexcept {
        static_cast<void>(deadlines_.release());
        static_cast<void>(new (std::nothrow) std::shared_ptr<Supervisor>(std::move(supervisor_)));
    }

    // Throws SessionClosed if there is no worker.
    WorkerPtr worker() const {
        WorkerPtr worker = life_.worker();
        if (!worker) throw SessionClosed("not_started", "the session has no worker: call start() first");
        return worker;
    }

    // Waits for the worker to be ready; under supervision, for the one that serves next. call: that waits for it, and
    // may be done meanwhile. Throws TimedOut if its deadline passes first.
    WorkerPtr ready_worker(const Call* call = nullptr) const {
        WorkerPtr worker = this->worker();
        const std::optional<Clock::time_point> deadline = call != nullptr ? call->deadline : std::nullopt;
        const Milliseconds launch_timeout = life_.options().launch_timeout;
        const auto until = [&](Clock::time_point time) { return deadline ? std::min(*deadline, time) : time; };
        const auto too_late = [&](const WorkerPtr& late) {
            if (deadline && Clock::now() >= *deadline)
                throw TimedOut("deadline_passed", too_early, {"queue", "", nullptr});
            const std::string text = "the worker was not ready within " + format_seconds(launch_timeout);
            throw LaunchError("launch_timeout", text, std::nullopt, late->process().output_tail());
        };
        if (supervisor_) {
            if (!supervisor_->wait_served(worker, until(deadline_after(launch_timeout)), call)) too_late(worker);
            worker = this->worker();
        }
        if (worker->exchange().was_ready()) return worker;
        const Milliseconds left = left_until(until(worker->launched_at() + launch_timeout));
        if (!worker->exchange().wait_started(left, call)) too_late(worker);
        return worker;
    }

    // Throws LocalProtocolError bad_message.
    CallPtr make_call(const std::string& message, const CallOptions& options) {
        life_.check_ours();
        return make_call(parse_message(message), options);
    }

    // A typed call. Copies what the body is a view of. Throws LocalProtocolError bad_message for the name of a command;
    // ArenaFull.
    CallPtr make_call(std::string_view command, Body arguments, const CallSetup& setup) {
        life_.check_ours();
        check_command(command);
        const CallPtr call = make_call({std::string(command), std::move(arguments.text), std::nullopt}, setup.options);
        call->on_progress = setup.on_progress;
        call->request.typed = true;
        call->request.form = arguments.form;
        call->request.streams = setup.streams;
        if (setup.streams) call->items = std::make_unique<Items>();
        call->request.input = setup.input;
        if (setup.input) call->feed = std::make_unique<Feed>();
        call->source = setup.source;
        if (setup.input) call->feed->hold();
        for (const Attachment& one : arguments.attachments) call->attachments.push_back(life_.transport().place(one));
        return call;
    }

    // Attaches tensors to a call; $0, $1 and so on in its text stand for them. Throws ArenaFull.
    void attach(Call& call, const std::vector<Tensor>& tensors) {
        std::string names;
        for (const Tensor& tensor : tensors) {
            names += (names.empty() ? "$" : " $") + std::to_string(call.attachments.size());
            call.attachments.push_back(life_.transport().place({Attachment::Kind::Tensor, tensor}));
        }
        std::string& parameters = call.request.parameters;
        parameters = names + (names.empty() || parameters.empty() ? "" : " ") + parameters;
    }

    // The same for a new call, which can be cancelled meanwhile.
    WorkerPtr worker_for(const CallPtr& call) {
        WorkerPtr worker = this->worker();
        const auto is_served = [&] { return !supervisor_ || supervisor_->wait_served(worker, Clock::now()); };
        if (worker->exchange().was_ready() && is_served()) return worker;
        life_.queue().begin_wait(call);
        const std::unique_ptr<const CallPtr, EndWait> waiting(&call, EndWait{&life_.queue()});
        WorkerPtr ready = ready_worker(call.get());
        if (call->done()) call->take();  // throws what has ended it
        return ready;
    }

    // Cancels the oldest call that no worker has. Returns the step, "queue"; empty if there is none.
    std::string cancel_waiting() {
        if (!life_.queue().cancel_first()) return "";
        if (supervisor_) supervisor_->worker_ended();
        if (const WorkerPtr worker = life_.worker()) worker->exchange().wake();
        return "queue";
    }

    // Asks the worker to leave, after calling `before`. Throws TimedOut if there is no room for the request.
    template <class Before>
    void ask_to_leave(Before before) {
        const WorkerPtr worker = ready_worker();
        before();
        if (worker->exchange().ask_to_leave(life_.options().launch_timeout)) return;
        throw TimedOut("'exit' could not be sent: " + why_not());
    }

    // Hands a call to a worker, once it is ready, after calling `before`. Only then does the timeout begin. Returns
    // when it ends.
    template <class Before>
    Clock::time_point submit(const CallPtr& call, Milliseconds timeout, Before before) {
        if (call->deadline) deadlines_->prepare();
        WorkerPtr worker = worker_for(call);
        before();
        const Clock::time_point until = deadline_after(timeout);
        try {
            while (!try_submit(call, *worker, until, timeout)) {
                if (!supervisor_->wait_served(worker, until, call.get())) throw busy(*call, timeout);
                worker = worker_for(call);
            }
        } catch (...) {
            call->abandoned = true;  // so that it does not stay in line
            throw;
        }
        if (call->deadline) deadlines_->add(call);
        return until;
    }

    // Makes a call and waits for its reply, which nobody else waits for.
    Reply fetch(const std::string& message, const CallOptions& options) {
        return fetch(make_call(message, options), options);
    }
    Reply fetch(const CallPtr& call, const CallOptions& options) {
        require_answer(*call);
        Callback::check_may_wait(beacon().get());
        const Milliseconds timeout = timeout_of(options);
        const Clock::time_point until = submit(call, timeout, [] {});
        try {
            return answer(call, until, timeout);
        } catch (const TimedOut&) {
            call->feed ? close_stream(call) : abandon(call);  // a handler may wait for what does not come any more
            throw;
        } catch (const LocalProtocolError&) {  // it would wait for itself, and is not to be begun
            close_stream(call);
            throw;
        }
    }

    // Puts a call in line, once the worker is ready. Does not wait for room: whoever waits for anything sends what is
    // in line.
    void put_in_line(const CallPtr& call) {
        require_answer(*call);
        call->stays_in_line = true;
        submit(call, life_.options().launch_timeout, [] {});
        if (call->exchange == nullptr) is_done(call);  // makes room for it
    }

    // Waits for the reply to a call that is under way. Throws TimedOut, or what ended the call.
    Reply answer(const CallPtr& call, Clock::time_point until, Milliseconds timeout) {
        while (true) {
            if (!wait(call, until)) throw_timed_out(*call, timeout);
            const std::exception_ptr thrown =
                attend(call, *exposed_, beacon().get(), [this](auto action) { action(*this); });
            if (thrown) std::rethrow_exception(thrown);
            if (call->done()) return take(call);
            if (call->source && Clock::now() >= until) throw_timed_out(*call, timeout);
        }
    }

    // Waits until a call is done, or has something for whoever waits; false after the timeout. Throws
    // LocalProtocolError would_wait_for_itself.
    bool wait(const CallPtr& call, Clock::time_point until) {
        while (!call->is_of_interest()) {
            Callback::check_may_wait(beacon().get());
            const WorkerPtr worker = this->worker();
            wait_once(call, *worker, until);
            if (!call->is_of_interest() && Clock::now() >= until) return false;
        }
        return true;
    }

    // The functions that workers may call.
    const std::shared_ptr<Exposed>& exposed() const noexcept { return exposed_; }

    // Answers what the handler of a call has asked.
    void send_answer(const CallPtr& call, const Outcome& outcome) const {
        Answer answer{*call->request.id};
        answer.failure = outcome.failure;
        try {
            if (!answer.failure) {
                const Body& value = outcome.result.value;
                for (const Attachment& one : value.attachments)
                    answer.attachments.push_back(life_.transport().place(one));
                answer.form = value.form;
                answer.result = value.text;
            }
        } catch (const TRException&) {
            answer.failure = Exposed::failure_of(std::current_exception());
        }
        if (answer.failure) {
            answer.attachments.clear();
            answer.form = BodyForm::Text;
            answer.result = "error";
        }
        const WorkerPtr worker = this->worker();
        if (call->exchange == &worker->exchange()) worker->exchange().send_answer(std::move(answer));
    }

    // A value for the input of a call.
    InputItem place_item(const Call& call, const Body& value) const {
        InputItem item{*call.request.id, value.form, value.text, {}};
        for (const Attachment& one : value.attachments) item.attachments.push_back(life_.transport().place(one));
        return item;
    }

    // Sends that, or the end of the input; false if the worker cannot take it at the moment, or the call is over.
    bool send_item(const CallPtr& call, const InputItem& item) const {
        const WorkerPtr worker = this->worker();
        return call->exchange == &worker->exchange() && worker->exchange().send_item(call, item);
    }

    // Waits until the worker has the call, or it is done or has something for whoever waits; false after the timeout.
    bool wait_sent(const CallPtr& call, Clock::time_point until) {
        Callback::check_may_wait(beacon().get());
        wait_once(call, *worker(), until);
        return call->exchange != nullptr || call->is_of_interest() || Clock::now() < until;
    }

    // Whether the worker takes what is sent while this new call is in work. Waits until it is ready; throws what has
    // ended the call meanwhile.
    bool can_stream(const CallPtr& call) {
        worker_for(call);
        return life_.transport().can_stream();
    }

    // Whether the worker serves others while a handler waits for something.
    bool has_coroutines() const { return worker()->exchange().has_coroutines(); }

    // Asks a call to finish early; one that has not begun is over. Does not wait.
    void stop(const CallPtr& call) {
        if (call->done() || call->cancelled) return;
        const WorkerPtr worker = life_.worker();
        if (life_.queue().end(*call, unbegun(*call, EndReason::cancel))) {
            if (supervisor_) supervisor_->worker_ended();
            if (worker) worker->exchange().wake();
            return;
        }
        if (worker && call->exchange == &worker->exchange()) worker->exchange().stop(call);
    }

    // What on_progress has thrown is the end of the call; false if that is over by now.
    bool withdraw(const CallPtr& call, const std::exception_ptr& error) const {
        call->abandoned = true;
        if (life_.queue().end(*call, error)) return true;
        const WorkerPtr worker = this->worker();
        return call->exchange == &worker->exchange() && worker->exchange().withdraw(call, error);
    }

    // Items of a call that streams have been taken, so that the worker may send more.
    void send_credit(const CallPtr& call) const {
        const WorkerPtr worker = this->worker();
        if (call->exchange == &worker->exchange()) worker->exchange().send_credit(call);
    }

    // Nobody wants more of a call that streams.
    void close_stream(const CallPtr& call) {
        call->abandoned = true;
        if (life_.queue().end(*call, nullptr)) return;
        const WorkerPtr worker = this->worker();
        if (call->exchange == &worker->exchange()) worker->exchange().close_stream(call);
    }

    // The reply to a call that is done. Throws what ended it.
    Reply take(const CallPtr& call) const {
        deadlines_->remove(call);
        try {
            return call->take();
        } catch (const TimedOut& error) {
            if (error.step() == "queue") throw_expired(*call, *worker());  // with the stacks of what held it up
            throw;
        }
    }

    // Throws the error of a wait that was too short.
    [[noreturn]] void throw_timed_out(Call& call, Milliseconds timeout) const {
        const WorkerPtr worker = this->worker();
        call.timed_out = true;
        std::string text = quoted(call) + " was not answered within " + format_seconds(timeout);
        const std::string lack = worker->lack();
        if (!lack.empty()) text += ", as far as this process can see: " + lack;
        const std::string stack = timeout < least_wait ? "" : worker->stacks();
        if (!stack.empty()) text += "; the worker's stacks:\n" + stack;
        throw TimedOut("timed_out", text, {"", stack, nullptr});
    }

    const std::shared_ptr<Beacon>& beacon() const noexcept { return life_.beacon(); }

    // Gives what has come to its calls, and returns those that have news. Does not wait.
    std::vector<CallPtr> dispatch() const {
        if (const WorkerPtr worker = life_.worker()) return worker->exchange().dispatch();
        if (beacon()->is_open()) beacon()->rest();
        return {};
    }

    // Whether a call is done, after taking in what has come.
    bool is_done(const CallPtr& call) const {
        if (!call->done()) worker()->exchange().is_done(call);
        return call->done();
    }

    // Ends a call, wherever it is, and no other. Does not wait: if it is in work, the ladder is climbed in a thread.
    // Throws LaunchError launch_failed if there is no thread.
    void cancel(const CallPtr& call) {
        call->cancelled = true;
        if (!end_unbegun(call)) deadlines_->cancel(call);
    }

    // See Future::state.
    std::string state_of(const CallPtr& call) const {
        if (is_done(call)) return "done";
        if (call->exchange == nullptr) return "queued";
        return worker()->exchange().stage_of(*call);
    }

    // Nobody waits for the call any longer: if it is in line, it is not sent. Its deadline still applies.
    void abandon(const CallPtr& call) {
        call->abandoned = true;
        if (life_.queue().end(*call, nullptr)) return;
        if (const WorkerPtr worker = life_.worker()) worker->exchange().abandon(call);
    }

private:
    struct EndWait {
        CallQueue* queue;
        void operator()(const CallPtr* call) const { queue->end_wait(*call); }
    };

    // A shorter timeout is a poll, whose error has no stacks.
    static constexpr Milliseconds least_wait{100};
    // How much longer than its steps ending a call may take, because the stacks are taken first.
    static constexpr Milliseconds stacks_time{1000};
    static constexpr const char* too_early = "the deadline passed before the worker was ready";

    // How long the caller waits.
    Milliseconds timeout_of(const CallOptions& options) const {
        if (options.timeout) return *options.timeout;
        if (!options.deadline) return Milliseconds(default_timeout_ms);
        return bounded(*options.deadline) + longest_climb(call_ladder(life_.options().patience)) + stacks_time;
    }

    // False if the worker ended before it took the call and there will be another.
    bool try_submit(const CallPtr& call, LaunchedWorker& worker, Clock::time_point until, Milliseconds timeout) {
        const Clock::time_point last = call->deadline ? std::min(until, *call->deadline) : until;
        if (supervisor_) supervisor_->check_allowed(*call);
        try {
            if (worker.exchange().send(call, left_until(last))) return true;
        } catch (const WorkerLost&) {
            if (call->done() || !supervisor_ || !supervisor_->is_coming_after(worker)) throw;
            return false;
        }
        if (call->is_overdue()) throw_expired(*call, worker);
        throw busy(*call, timeout);
    }

    // Waits until the call is done, the time has passed, or another worker has it.
    void wait_once(const CallPtr& call, LaunchedWorker& worker, Clock::time_point until) {
        if (call->done()) return;
        if (call->exchange == &worker.exchange()) {
            worker.exchange().wait(call, left_until(until));
        } else if (call->exchange == nullptr) {
            wait_in_line(call, call->deadline ? std::min(*call->deadline, until) : until);
        } else if (!call->done() && !supervisor_) {
            throw SessionClosed("session_closed", "the worker of this call has ended: start the session again");
        }
    }

    // Waits until a worker has the call, or it is done; may return early.
    void wait_in_line(const CallPtr& call, Clock::time_point until) {
        if (!supervisor_ || supervisor_->wait_served_again(call, until))
            worker()->exchange().wait_sent(call, left_until(until));
        if (call->is_overdue()) life_.queue().end(*call, expired(*call));
    }

    CallPtr make_call(Request request, const CallOptions& options) {
        auto call = std::make_shared<Call>();
        call->request = std::move(request);
        call->request.id = next_id_++;
        call->idempotent = options.idempotent;
        if (options.deadline) call->set_deadline(deadline_after(*options.deadline));
        return call;
    }

    static void require_answer(const Call& call) {
        if (call.request.is_exit()) throw LocalProtocolError("bad_message", "'exit' has no answer: use please_exit");
    }

    // Runs in the thread that ends calls. False if the call is still to be ended.
    bool end(const CallPtr& call, EndReason why) {
        if (why == EndReason::deadline ? end_overdue(call) : end_unbegun(call)) return true;
        const WorkerPtr worker = life_.worker();
        return call->exchange == &worker->exchange() &&
               !worker->end_call(*call->request.id, message_of(call->request), why).empty();
    }

    // True if the call is done, or nobody can end it any longer; false if it is in work.
    bool end_overdue(const CallPtr& call) {
        if (life_.queue().end(*call, expired(*call))) return true;
        const WorkerPtr worker = life_.worker();
        return !worker || call->exchange != &worker->exchange() || worker->exchange().expire(call);
    }

    // The same for a cancelled call.
    bool end_unbegun(const CallPtr& call) {
        if (call->done()) return true;
        const WorkerPtr worker = life_.worker();
        if (life_.queue().end(*call, unbegun(*call, EndReason::cancel))) {
            if (supervisor_) supervisor_->worker_ended();
            if (worker) worker->exchange().wake();
            return true;
        }
        return !worker || call->exchange != &worker->exchange() || worker->exchange().cancel(call);
    }

    static std::string quoted(const Call& call) { return "'" + call.request.command + "'"; }

    // Why a request could not be sent.
    std::string why_not() const {
        const WorkerPtr worker = life_.worker();
        const std::string lack = worker ? worker->lack() : "";
        return lack.empty() ? "the worker is busy" : lack;
    }

    TimedOut busy(const Call& call, Milliseconds timeout) const {
        return TimedOut(quoted(call) + " could not be sent within " + format_seconds(timeout) + ": " + why_not());
    }

    [[noreturn]] static void throw_expired(const Call& call, LaunchedWorker& worker) {
        const bool has_waited = Clock::now() - call.made >= least_wait;
        std::rethrow_exception(
            ended_call(call.request, EndReason::deadline, {"queue", has_waited ? worker.stacks() : "", nullptr}));
    }

    Life& life_;
    std::unique_ptr<DeadlineWatch> deadlines_;
    std::shared_ptr<Supervisor> supervisor_;
    const std::shared_ptr<Exposed> exposed_ = std::make_shared<Exposed>();
    std::atomic<std::int64_t> next_id_{1};
};

}  // namespace tr::detail
