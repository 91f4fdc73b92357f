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
#include <utility>
#include <vector>

#include "tech_renaissance/call_options.h"
#include "tech_renaissance/detail/host/deadline_watch.h"
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
        : life_(life), deadlines_(std::make_unique<DeadlineWatch>([this](const CallPtr& call) { end_overdue(call); })) {
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

    // Waits for the worker to be ready; under supervision, for the one that serves next. Throws TimedOut if the call's
    // deadline passes first.
    WorkerPtr ready_worker(std::optional<Clock::time_point> deadline = std::nullopt) const {
        WorkerPtr worker = this->worker();
        const Milliseconds launch_timeout = life_.options().launch_timeout;
        const auto until = [&](Clock::time_point time) { return deadline ? std::min(*deadline, time) : time; };
        const auto too_late = [&](const WorkerPtr& late) {
            if (deadline && Clock::now() >= *deadline)
                throw TimedOut("deadline_passed", too_early, {"queue", "", nullptr});
            const std::string text = "the worker was not ready within " + format_seconds(launch_timeout);
            throw LaunchError("launch_timeout", text, std::nullopt, late->process().output_tail());
        };
        if (supervisor_) {
            if (!supervisor_->wait_served(worker, until(deadline_after(launch_timeout)))) too_late(worker);
            worker = this->worker();
        }
        if (worker->exchange().was_ready()) return worker;
        const Milliseconds left = left_until(until(worker->launched_at() + launch_timeout));
        if (!worker->exchange().wait_started(left)) too_late(worker);
        return worker;
    }

    // Throws LocalProtocolError bad_message.
    CallPtr make_call(const std::string& message, const CallOptions& options) {
        life_.check_ours();
        auto call = std::make_shared<Call>();
        call->request = parse_message(message);
        call->request.id = next_id_++;
        call->idempotent = options.idempotent;
        if (options.deadline) call->set_deadline(deadline_after(*options.deadline));
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
        WorkerPtr worker = ready_worker(call->deadline);
        before();
        const Clock::time_point until = deadline_after(timeout);
        try {
            while (!try_submit(call, *worker, until, timeout)) {
                if (!supervisor_->wait_served(worker, until)) throw busy(*call, timeout);
                worker = ready_worker(call->deadline);
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
        if (call->request.is_exit()) throw LocalProtocolError("bad_message", "'exit' has no answer: use please_exit");
        const Milliseconds timeout = timeout_of(options);
        const Clock::time_point until = submit(call, timeout, [] {});
        try {
            return answer(call, until, timeout);
        } catch (const TimedOut&) {
            abandon(call);
            throw;
        }
    }

    // Waits for the reply to a call that is under way. Throws TimedOut, or what ended the call.
    Reply answer(const CallPtr& call, Clock::time_point until, Milliseconds timeout) {
        while (true) {
            const WorkerPtr worker = this->worker();
            wait_once(call, *worker, until);
            if (call->done()) return take_reply(call, *worker);
            if (Clock::now() >= until) throw_timed_out(*call, *worker, timeout);
        }
    }

    // Nobody waits for the call any longer. Its deadline still applies.
    void abandon(const CallPtr& call) {
        call->abandoned = true;
        if (const WorkerPtr worker = life_.worker()) worker->exchange().abandon(call);
    }

private:
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
        if (supervisor_) supervisor_->check_allowed(call->request);
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
        if (call->is_overdue()) life_.queue().expire(*call);
    }

    Reply take_reply(const CallPtr& call, LaunchedWorker& worker) {
        deadlines_->remove(call);
        try {
            return call->take();
        } catch (const TimedOut& error) {
            if (error.step() == "queue") throw_expired(*call, worker);  // with the stacks of what held it up
            throw;
        }
    }

    // Runs in the thread that watches deadlines.
    void end_overdue(const CallPtr& call) {
        if (life_.queue().expire(*call)) return;
        const WorkerPtr worker = life_.worker();
        if (!worker || call->exchange != &worker->exchange() || worker->exchange().expire(call)) return;
        worker->end_call(*call->request.id, message_of(call->request), EndReason::deadline);
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

    [[noreturn]] static void throw_timed_out(Call& call, LaunchedWorker& worker, Milliseconds timeout) {
        call.timed_out = true;
        std::string text = quoted(call) + " was not answered within " + format_seconds(timeout);
        const std::string lack = worker.lack();
        if (!lack.empty()) text += ", as far as this process can see: " + lack;
        const std::string stack = timeout < least_wait ? "" : worker.stacks();
        if (!stack.empty()) text += "; the worker's stacks:\n" + stack;
        throw TimedOut("timed_out", text, {"", stack, nullptr});
    }

    Life& life_;
    std::unique_ptr<DeadlineWatch> deadlines_;
    std::shared_ptr<Supervisor> supervisor_;
    std::atomic<std::int64_t> next_id_{1};
};

}  // namespace tr::detail
