// How the answer to a call, or its items, come to whoever waits for them, and how a call is steered meanwhile.
#pragma once

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/attend.h"
#include "tech_renaissance/detail/host/call_sender.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/host/exposed.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Waits for a session's calls, and steers them. Thread-safe.
class Caller final : public CallSender {
public:
    Caller(Life& life, Supervisor::Hooks hooks) : CallSender(life, std::move(hooks)) {}

    // Cancels the oldest call that no worker has. Returns the step, "queue"; empty if there is none.
    std::string cancel_waiting() {
        if (!life_.queue().cancel_first()) return "";
        if (supervisor_) supervisor_->worker_ended();
        if (const WorkerPtr worker = life_.worker()) worker->exchange().wake();
        return "queue";
    }

    // Makes a call and waits for its reply, which nobody else waits for.
    Reply fetch(const std::string& message, const CallOptions& options) {
        return fetch(make_call(message, options), options);
    }
    Reply fetch(const CallPtr& call, const CallOptions& options) {
        const LetGo over{*call};
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
                attend(call, Attending::waiting, *exposed_, beacon().get(), [this](auto action) { action(*this); });
            if (thrown) std::rethrow_exception(thrown);
            if (call->done()) return call->take();
            check_in_time(call, until, timeout);
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
        const WorkerPtr worker = this->worker();
        if (call->exchange == &worker->exchange()) worker->exchange().send_answer(answer_of(*call, outcome));
    }

    // Whether the next value of an input may be taken from the program, for the worker that has the call: see Exchange.
    bool begin_item(const CallPtr& call) const {
        const WorkerPtr worker = this->worker();
        return call->exchange == &worker->exchange() && worker->exchange().begin_item(call);
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

    // After something was done for a call: throws TimedOut if the time has passed, and what is waited for has not come
    // by now.
    void check_in_time(const CallPtr& call, Clock::time_point until, Milliseconds timeout) const {
        if (call->has_come() || Clock::now() < until) return;
        is_done(call);
        if (!call->has_come()) throw_timed_out(*call, timeout);
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
        const WorkerPtr worker = life_.worker();
        const bool is_sent = worker && call->exchange == &worker->exchange();
        if (is_sent && worker->exchange().is_done(call)) return;  // an answer that has come counts
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
    Answer answer_of(const Call& call, const Outcome& outcome) const {
        const std::int64_t id = *call.request.id;
        if (outcome.failure) return failed_answer(id, *outcome.failure);
        try {
            const Body& value = outcome.result.value;
            Answer answer{id};
            for (const Attachment& one : value.attachments) answer.attachments.push_back(life_.transport().place(one));
            answer.form = value.form;
            answer.result = value.text;
            return answer;
        } catch (const TRException&) {
            return failed_answer(id, Exposed::failure_of(std::current_exception()));
        }
    }

    // Nobody uses a call after this.
    struct LetGo {
        Call& call;
        ~LetGo() { call.release(); }
    };

    // How much longer than its steps ending a call may take, because the stacks are taken first.
    static constexpr Milliseconds stacks_time{1000};

    // How long the caller waits.
    Milliseconds timeout_of(const CallOptions& options) const {
        if (options.timeout) return *options.timeout;
        if (!options.deadline) return Milliseconds(default_timeout_ms);
        return bounded(*options.deadline) + longest_climb(call_ladder(life_.options().patience)) + stacks_time;
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

    const std::shared_ptr<Exposed> exposed_ = std::make_shared<Exposed>();
};

}  // namespace tr::detail
