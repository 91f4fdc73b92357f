// How a call reaches a session's worker, across starts, restarts and deadlines.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_maker.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/deadline_watch.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Makes calls and hands them to whichever worker the session's life has at the time. Thread-safe.
class CallSender : public CallMaker {
public:
    using Milliseconds = std::chrono::milliseconds;

    // Null without supervision.
    const std::shared_ptr<Supervisor>& supervisor() const noexcept { return supervisor_; }

    // From now on no call is ended or handed over. Call it before the life's end, and end() afterwards.
    void close() {
        deadlines_->close();
        if (supervisor_) supervisor_->close();
    }

    // No worker is alive, and none follows: the calls that wait for one fail.
    void end() {
        if (supervisor_) supervisor_->end();
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
        const auto until = [&](Clock::time_point time) { return deadline ? std::min(*deadline, time) : time; };
        const auto check_deadline = [&] {
            if (deadline && Clock::now() >= *deadline) std::rethrow_exception(expired(*call));
        };
        if (supervisor_) {
            const Milliseconds launch_timeout = life_.options().launch_timeout;
            if (!supervisor_->wait_served(worker, until(deadline_after(launch_timeout)), call)) {
                check_deadline();
                std::rethrow_exception(worker->not_ready());
            }
            worker = this->worker();
        }
        if (worker->exchange().was_ready()) return worker;
        while (!worker->exchange().wait_started(left_until(until(worker->launch_until())), call)) {
            check_deadline();
            if (worker->has_failed_to_start() || worker->was_stopped()) std::rethrow_exception(worker->death(true));
        }
        return worker;
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
                wait_for_next(call, worker, until, timeout);
                worker = worker_for(call);
            }
        } catch (...) {
            call->abandoned = true;  // so that it does not stay in line
            throw;
        }
        if (call->deadline) deadlines_->add(call);
        return until;
    }

    // Whether the worker takes what is sent while this new call is in work. Waits until it is ready; throws what has
    // ended the call meanwhile.
    bool can_stream(const CallPtr& call) {
        worker_for(call);
        return life_.transport().can_stream();
    }

protected:
    CallSender(Life& life, Supervisor::Hooks hooks)
        : CallMaker(life),
          deadlines_(
              std::make_unique<DeadlineWatch>([this](const CallPtr& call, EndReason why) { return end(call, why); })) {
        if (life_.options().restart != Restart::never)
            supervisor_ = std::make_shared<Supervisor>(life_, std::move(hooks));
    }
    ~CallSender() = default;

    // A shorter timeout is a poll, whose error has no stacks.
    static constexpr Milliseconds least_wait{100};

    // Ends a cancelled call. True if it is done, or nobody can end it any longer; false if it is in work.
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

    std::unique_ptr<DeadlineWatch> deadlines_;
    std::shared_ptr<Supervisor> supervisor_;

private:
    // While it exists, a call waits for a worker, and can be cancelled.
    class Waiting {
    public:
        Waiting(CallQueue& queue, const CallPtr& call) : queue_(queue), call_(call) { queue_.begin_wait(call_); }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        ~Waiting() { queue_.end_wait(call_); }

    private:
        CallQueue& queue_;
        const CallPtr& call_;
    };

    // The worker that is to have a new call, once it is ready. Throws what has ended the call meanwhile.
    WorkerPtr worker_for(const CallPtr& call) {
        WorkerPtr worker = this->worker();
        const auto is_served = [&] { return !supervisor_ || supervisor_->wait_served(worker, Clock::now()); };
        if (worker->exchange().was_ready() && is_served()) return worker;
        const Waiting waiting(life_.queue(), call);
        WorkerPtr ready = ready_worker(call.get());
        if (call->done()) call->take();
        return ready;
    }

    // Waits for the worker after one that has died. Throws what has ended the call meanwhile, and TimedOut.
    void wait_for_next(const CallPtr& call, const WorkerPtr& dead, Clock::time_point until, Milliseconds timeout) {
        const Waiting waiting(life_.queue(), call);
        if (!supervisor_->wait_served(dead, until, call.get())) throw busy(*call, timeout);
        if (call->done()) call->take();
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
        if (call->is_overdue()) std::rethrow_exception(expired(*call));
        throw busy(*call, timeout);
    }

    // Runs in the thread that ends calls. False if the call is still to be ended.
    bool end(const CallPtr& call, EndReason why) {
        if (why == EndReason::deadline ? end_overdue(call) : end_unbegun(call)) return true;
        const WorkerPtr worker = life_.worker();
        return call->exchange == &worker->exchange() &&
               !worker->end_call(*call->request.id, message_of(call->request), why).empty();
    }

    // The same for a call whose deadline has passed.
    bool end_overdue(const CallPtr& call) {
        if (life_.queue().end(*call, expired(*call))) return true;
        const WorkerPtr worker = life_.worker();
        return !worker || call->exchange != &worker->exchange() || worker->exchange().expire(call);
    }

    // Why a request could not be sent.
    std::string why_not() const {
        const WorkerPtr worker = life_.worker();
        const std::string lack = worker ? worker->lack() : "";
        return lack.empty() ? "the worker is busy" : lack;
    }

    TimedOut busy(const Call& call, Milliseconds timeout) const {
        return TimedOut(quoted(call) + " could not be sent within " + format_seconds(timeout) + ": " + why_not());
    }
};

}  // namespace tr::detail
