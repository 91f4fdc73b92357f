// A thread that starts a crashed worker again, and hands its calls on: spec/life.md, Supervision.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/quarantine.h"
#include "tech_renaissance/detail/host/restart_schedule.h"

namespace tr::detail {

// Watches one session's workers, from each start to an end that was asked for. Thread-safe.
//
// While a worker is on its way, calls wait at the door (wait_served), those that the dead worker had not begun in
// `left_over_`.
class Supervisor {
public:
    struct Hooks {
        // Before a restart.
        std::function<void()> prepare;
        // When the new worker is ready, before calls go on.
        std::function<void()> on_restart;
    };

    Supervisor(Life& life, Hooks hooks)
        : life_(life),
          hooks_(std::move(hooks)),
          policy_(life.options().restart_policy),
          schedule_(life.options().restart_policy) {}
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    // REQUIRES: close() was called, and no worker lives.
    ~Supervisor() {
        if (thread_.joinable()) thread_.join();
    }

    // Makes sure that there is a thread. Throws LaunchError launch_failed if the system has none left.
    void prepare() {
        const Lock lock(mutex_);
        if (thread_.joinable()) return;
        const SignalsBlocked blocked;
        try {
            thread_ = std::thread([this] { run(); });
        } catch (const std::exception& error) {
            throw_launch_failed(std::string("cannot make a thread: ") + error.what());
        }
    }

    // Watches over a worker that its user has started.
    void watch(WorkerPtr worker) {
        const Lock lock(mutex_);
        ++starts_;
        worker_ = std::move(worker);
        given_up_ = nullptr;
        schedule_.reset();
        changed_.notify_all();
    }

    // A worker's process has ended; by any thread, which does not wait.
    void worker_ended() {
        const Lock lock(mutex_);
        changed_.notify_all();
    }

    // No restart that is on its way is made any more.
    void stand_down() {
        const Lock lock(mutex_);
        ++stood_down_;
        quarantine_.clear();
        changed_.notify_all();
    }

    // Restarts no more; the calls that wait fail.
    void close() {
        const Lock lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }

    bool is_restarting() const {
        const Lock lock(mutex_);
        return restarting_;
    }

    // Throws WorkerLost quarantined if the request has ended too many workers.
    void check_allowed(const Request& request) const {
        const Lock lock(mutex_);
        if (const std::exception_ptr error = quarantine_.refuse(request)) std::rethrow_exception(error);
    }

    // Whether there will be another in place of a worker that cannot be used any more. Not to the supervisor's own
    // thread, where the hook runs.
    bool is_coming_after(LaunchedWorker& worker) const {
        const Lock lock(mutex_);
        if (is_own_thread() || closed_) return false;
        return restarting_ || (worker_ && worker_.get() != &worker) || worker.has_crashed();
    }

    // Waits while the next worker is on its way; false if it is not there in time. Throws why there will be none. The
    // supervisor's own thread, where the hook runs, does not wait.
    bool wait_served(const WorkerPtr& worker, Clock::time_point deadline) {
        Lock lock(mutex_);
        const bool in_time = changed_.wait_until(lock, deadline, [&] { return closed_ || !is_coming(worker); });
        if (given_up_ && !is_own_thread()) std::rethrow_exception(given_up_);
        return in_time;
    }

    // Waits until a call that was handed over is under way again, or done; false if it is not in time.
    bool wait_sent(const CallPtr& call, Clock::time_point deadline) {
        Lock lock(mutex_);
        return changed_.wait_until(lock, deadline, [&] { return call->done() || call->exchange != nullptr; });
    }

    // Nobody waits for a call that was handed over any more; false if it is not here (any more).
    bool withdraw(const CallPtr& call) {
        const Lock lock(mutex_);
        const auto found = std::find(left_over_.begin(), left_over_.end(), call);
        if (found == left_over_.end()) return false;
        left_over_.erase(found);
        return true;
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    bool is_own_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

    bool is_coming(const WorkerPtr& worker) const {
        if (is_own_thread()) return false;
        return restarting_ || (worker_ == worker && worker && worker->has_crashed());
    }

    void run() {
        Lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return closed_ || (worker_ && worker_->post_mortem()); });
            if (closed_) break;
            const WorkerPtr dead = worker_;
            restarting_ = dead->has_crashed();
            const int orders = stood_down_;
            const int starts = starts_;
            lock.unlock();
            take_over(dead, orders, starts);
            lock.lock();
        }
        restarting_ = false;
        settle_left_over(closed_error());
    }

    // A worker has ended: starts the next, or ends what waits for it.
    void take_over(const WorkerPtr& dead, int orders, int starts) {
        WorkerPtr next;
        std::exception_ptr error;
        try {
            inherit(dead);
            if (is_restarting()) next = restart(dead, orders);
            if (!next) error = is_wanted(orders) ? dead->death(!dead->exchange().was_ready()) : stopped_error();
        } catch (const std::exception&) {
            error = std::current_exception();
        }
        const Lock lock(mutex_);
        if (starts == starts_) {  // else its user was quicker
            worker_ = next;
            given_up_ = restarting_ && orders == stood_down_ ? error : nullptr;
        }
        restarting_ = false;
        settle_left_over(error);
        changed_.notify_all();
    }

    // Takes what a dead worker leaves. All of its other calls have failed then.
    void inherit(const WorkerPtr& dead) {
        dead->process().wait(death_patience);
        dead->close();
        std::vector<CallPtr> calls = dead->exchange().take_unanswered();
        const Lock lock(mutex_);
        left_over_.insert(left_over_.begin(), calls.begin(), calls.end());
        const CallPtr last_call = dead->last_call();
        if (last_call && !dead->was_stopped()) quarantine_.note(last_call->request, dead->post_mortem());
    }

    // A worker that is ready, has what the hook gives it, and what the last one had not begun. Null if its user wants
    // none any more. Throws why there is none.
    WorkerPtr restart(WorkerPtr dead, int orders) {
        while (true) {
            if (!back_off(*dead, orders)) return nullptr;
            WorkerPtr next = life_.restart(dead, [&] {
                if (!is_wanted(orders)) std::rethrow_exception(stopped_error());
                hooks_.prepare();
            });
            if (next == dead) return nullptr;
            if (is_prepared(next)) return next;
            if (next->was_stopped()) return nullptr;
            inherit(next);
            dead = std::move(next);
        }
    }

    // False if its user wants no restart any more. Throws WorkerLost if the policy says that enough is enough.
    bool back_off(LaunchedWorker& dead, int orders) {
        const std::shared_ptr<const PostMortem> death = dead.post_mortem();
        const std::chrono::duration<double> lived(death ? death->ended_at - death->started_at : 0);
        Lock lock(mutex_);
        const auto wait = schedule_.next_wait(lived, Clock::now());
        if (!wait) {
            const std::string text = "the worker was restarted " + std::to_string(policy_.limit) + " times within " +
                                     format_seconds(policy_.window) + ": given up";
            if (!death) throw WorkerLost("worker_lost", text);
            throw WorkerLost("worker_lost", text + "; the last one: " + explain(*death), death->exit_status,
                             death->output_tail, death);
        }
        return !changed_.wait_for(lock, *wait, [&] { return closed_ || stood_down_ != orders; });
    }

    // Whether the new worker became ready and took what it is given; false if it has crashed. Throws why it did not,
    // and has ended it then.
    bool is_prepared(const WorkerPtr& worker) {
        try {
            if (!worker->exchange().wait_started(life_.options().launch_timeout))
                throw WorkerLost("worker_lost", "a restarted worker was not ready in time");
            if (!has_run_hook(*worker)) return false;
            open_door(worker);
            send_left_over(worker->exchange());
            return true;
        } catch (const TRException&) {
            close_door();
            if (has_ended_by_itself(*worker)) return false;
            worker->stop(terminate_ladder, "its restart failed");
            throw;
        }
    }

    // Calls go on. What is left over is sent meanwhile: that may wait long for room.
    void open_door(const WorkerPtr& worker) {
        const Lock lock(mutex_);
        worker_ = worker;
        restarting_ = false;
        changed_.notify_all();
    }

    void close_door() {
        const Lock lock(mutex_);
        restarting_ = true;
    }

    bool has_run_hook(LaunchedWorker& worker) {
        try {
            hooks_.on_restart();
            return true;
        } catch (const std::exception& error) {
            return hook_failed(worker, error.what());
        } catch (...) {
            return hook_failed(worker, "it threw what is no std::exception");
        }
    }

    static bool hook_failed(LaunchedWorker& worker, const std::string& why) {
        if (has_ended_by_itself(worker)) return false;
        worker.stop(terminate_ladder, "on_restart failed");
        throw WorkerLost("worker_lost", "on_restart failed: " + why);
    }

    static bool has_ended_by_itself(LaunchedWorker& worker) { return !worker.is_alive() && !worker.was_stopped(); }

    // Sends what is left over, in order, waiting for room.
    void send_left_over(Exchange& exchange) {
        while (const CallPtr call = first_left_over()) {
            std::exception_ptr error = error_of(*call);
            if (error)
                call->fail(std::move(error));
            else if (!exchange.send(call, life_.options().launch_timeout))
                continue;
            const Lock lock(mutex_);
            if (!left_over_.empty() && left_over_.front() == call) left_over_.pop_front();
            changed_.notify_all();
        }
    }

    CallPtr first_left_over() const {
        const Lock lock(mutex_);
        return left_over_.empty() ? nullptr : left_over_.front();
    }

    std::exception_ptr error_of(const Call& call) const {
        if (call.is_overdue()) return ended_call(call.request, GivenUp::deadline, {"queue", "", nullptr});
        const Lock lock(mutex_);
        return quarantine_.refuse(call.request);
    }

    void settle_left_over(const std::exception_ptr& error) {
        for (const CallPtr& call : left_over_) call->fail(error ? error : closed_error());
        left_over_.clear();
        changed_.notify_all();
    }

    bool is_wanted(int orders) const {
        const Lock lock(mutex_);
        return !closed_ && stood_down_ == orders;
    }

    static std::exception_ptr stopped_error() {
        const char* text = "the worker was ended by its host: start the session again";
        return std::make_exception_ptr(SessionClosed("session_closed", text));
    }

    static std::exception_ptr closed_error() {
        return std::make_exception_ptr(SessionClosed("session_closed", "the session was closed"));
    }

    Life& life_;
    Hooks hooks_;
    RestartPolicy policy_;
    mutable std::mutex mutex_;  // everything below
    std::condition_variable changed_;
    RestartSchedule schedule_;
    Quarantine quarantine_;
    WorkerPtr worker_;  // the one that is watched
    bool restarting_ = false;
    int starts_ = 0;                 // by its user
    int stood_down_ = 0;             // how often
    std::exception_ptr given_up_;    // why there is no worker any more, if the supervisor has given up
    std::deque<CallPtr> left_over_;  // that no worker has yet, oldest first
    bool closed_ = false;
    std::thread thread_;
};

}  // namespace tr::detail
