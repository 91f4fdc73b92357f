// A thread that restarts a crashed worker and hands over its calls: spec/life.md, Supervision.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/quarantine.h"
#include "tech_renaissance/detail/host/restart_schedule.h"

namespace tr::detail {

// Watches a session's workers, from each start until an end that was asked for. Thread-safe.
class Supervisor {
public:
    struct Hooks {
        // Called before a restart.
        std::function<void()> prepare;
        // Called when the new worker is ready, before calls go on.
        std::function<void()> on_restart;
    };

    Supervisor(Life& life, Hooks hooks)
        : life_(life),
          hooks_(std::move(hooks)),
          policy_(life.options().restart_policy),
          schedule_(life.options().restart_policy) {}
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    // REQUIRES: close() and end() were called.
    ~Supervisor() {
        if (thread_.joinable()) thread_.join();
    }

    // Whether this is the supervisor's own thread, where the hook runs.
    bool is_own_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

    // ------------------------------------------------------------ what the user wants

    // Makes sure that there is a thread. Throws LaunchError launch_failed if the system has none left.
    void prepare() {
        const Lock lock(mutex_);
        if (thread_.joinable()) return;
        const SignalsBlocked blocked;
        try {
            thread_ = std::thread([this] { run(); });
        } catch (const std::exception& error) {
            throw_launch_failed(std::string("cannot start a thread: ") + error.what());
        }
    }

    // The user wants a worker. True if a restart is pending, which then happens without further back-off.
    bool hurry() {
        if (const WorkerPtr last = life_.worker()) last->is_alive();  // makes sure that an end is noticed
        Lock lock(mutex_);
        if (is_own_thread()) return true;
        // First lets the thread deal with a restart that was called off, or a worker's end.
        changed_.wait_for(lock, death_patience,
                          [this] { return closed_ || is_wanted_restart() || (!restarts_ && !has_ended_worker()); });
        watched_wish_ = wish_;  // also if an earlier wish to end this worker has come to nothing
        if (!is_wanted_restart()) return false;
        hurried_ = true;
        schedule_.reset();
        changed_.notify_all();
        return true;
    }

    // Watches a worker that the user has started.
    void watch(WorkerPtr worker) {
        const Lock lock(mutex_);
        worker_.swap(worker);  // the last one is destroyed after releasing the lock
        watched_wish_ = wish_;
        given_up_ = nullptr;
        schedule_.reset();
        changed_.notify_all();
    }

    // The user wants no worker: calls off a pending restart, also one after a crash that the thread has not seen yet,
    // and forgives quarantined requests.
    void stand_down() {
        const Lock lock(mutex_);
        call_off(stopped_error());
        quarantine_.clear();
    }

    // The same, for good. Call end() once no worker is alive.
    void close() {
        const Lock lock(mutex_);
        closed_ = true;
        call_off(closed_error());
    }

    // The calls that the last worker has handed over fail: the thread may have left before.
    void end() {
        life_.queue().fail([](const Call&) { return closed_error(); });
        const Lock lock(mutex_);
        changed_.notify_all();
    }

    // ------------------------------------------------------------ what calls ask

    // A worker's process has ended. Any thread may call this; it does not wait.
    void worker_ended() {
        const Lock lock(mutex_);
        changed_.notify_all();
    }

    // Whether a worker has crashed and the next one does not serve yet.
    bool is_restarting() const {
        const Lock lock(mutex_);
        return is_wanted_restart();
    }

    // Whether there is no worker because starting another one is pointless.
    bool has_given_up() const {
        const Lock lock(mutex_);
        return given_up_ != nullptr;
    }

    // Throws WorkerLost quarantined if the call has ended too many workers.
    void check_allowed(const Call& call) const {
        const Lock lock(mutex_);
        if (const std::exception_ptr error = quarantine_.refuse(call)) std::rethrow_exception(error);
    }

    // Whether another worker will replace one that can no longer be used. False in the supervisor's own thread, where
    // the hook runs.
    bool is_coming_after(LaunchedWorker& worker) const {
        const Lock lock(mutex_);
        if (is_own_thread() || closed_) return false;
        return is_wanted_restart() || (worker_ && (worker_.get() != &worker || is_to_be_replaced(worker)));
    }

    // Waits while the next worker is on its way; false if it does not come in time. Throws the reason if there will be
    // none. The supervisor's own thread, where the hook runs, does not wait.
    bool wait_served(const WorkerPtr& worker, Clock::time_point deadline, const Call* call = nullptr) {
        Lock lock(mutex_);
        if (is_own_thread()) return true;
        const bool in_time = changed_.wait_until(
            lock, deadline, [&] { return closed_ || !is_coming(worker) || (call != nullptr && call->done()); });
        if (given_up_) std::rethrow_exception(given_up_);
        return in_time;
    }

    // Waits until a worker serves that may take a call in line, or the call is under way or done; false after the
    // timeout.
    bool wait_served_again(const CallPtr& call, Clock::time_point deadline) {
        Lock lock(mutex_);
        return changed_.wait_until(lock, deadline, [&] {
            return call->done() || call->exchange != nullptr || (!restarts_ && worker_ && !has_ended_worker());
        });
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    bool has_ended_worker() const { return worker_ && worker_->post_mortem(); }

    // Whether a worker is on its way and the user has not called it off.
    bool is_wanted_restart() const { return restarts_ && restart_wish_ == wish_; }

    // Whether the watched worker has crashed, and the user still wants one.
    bool is_to_be_replaced(LaunchedWorker& worker) const { return watched_wish_ == wish_ && worker.has_crashed(); }

    bool is_coming(const WorkerPtr& worker) const {
        return is_wanted_restart() || (worker_ == worker && worker && is_to_be_replaced(*worker));
    }

    // Calls off a pending restart, if there is one. The calls that it would have served fail at once; those that the
    // dead worker has handed over, when the thread sees to it. REQUIRES: the lock.
    void call_off(const std::exception_ptr& error) {
        if (is_coming(worker_)) life_.queue().fail_waiting(error);
        ++wish_;
        changed_.notify_all();
    }

    void run() {
        Lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return closed_ || has_ended_worker(); });
            if (closed_) return;
            WorkerPtr dead = worker_;
            const bool has_crashed = dead->has_crashed();
            restarts_ = has_crashed;
            restart_wish_ = watched_wish_;
            hurried_ = false;
            lock.unlock();
            take_over(dead, has_crashed);
            dead = nullptr;  // without the lock, because its callback for output may own anything
            lock.lock();
        }
    }

    // A worker has ended: starts the next one, or fails what waits for it.
    void take_over(const WorkerPtr& dead, bool has_crashed) noexcept {
        WorkerPtr next;
        WorkerPtr last = dead;  // destroyed at the end, because that may take longer than calls to the next one
        std::exception_ptr error;
        try {
            inherit(dead);
            if (has_crashed) next = restart(last);
            if (!next) error = dead->death(!dead->exchange().was_ready());
        } catch (const TRException&) {
            error = std::current_exception();
        } catch (const std::exception& reason) {
            error = not_restarted(reason.what());
        } catch (...) {
            error = not_restarted("something was thrown that is not a std::exception");
        }
        const Lock lock(mutex_);
        const bool is_wanted = restart_wish_ == wish_;
        if (!is_wanted) error = closed_ ? closed_error() : stopped_error();
        if (worker_ == dead) {
            worker_ = next;
            given_up_ = has_crashed && !next && is_wanted ? error : nullptr;
        }
        restarts_ = false;
        if (!next) life_.queue().fail([&](const Call&) { return error; });
        changed_.notify_all();
    }

    // Sees to a dead worker's calls. Answers that it gave before count; afterwards its other calls are in line, or have
    // failed.
    void inherit(const WorkerPtr& dead) {
        dead->process().wait(death_patience);
        try {
            dead->exchange().wait_left(death_patience);
        } catch (const TRException&) {  // nothing more can be received
        }
        dead->close();
        const Lock lock(mutex_);
        const CallPtr last_call = dead->last_call();
        const bool counts = restart_wish_ == wish_ && !dead->was_stopped();
        if (last_call && counts) quarantine_.note(*last_call, dead->post_mortem());
        life_.queue().fail(
            [this](const Call& call) { return call.is_overdue() ? expired(call) : quarantine_.refuse(call); });
        changed_.notify_all();
    }

    // Starts a worker that is ready and has got what the hook sends. Null if the user no longer wants one, or was
    // faster. Throws the reason if there is none. dead: from then on, the last worker that has died.
    WorkerPtr restart(WorkerPtr& dead) {
        while (back_off(*dead)) {
            WorkerPtr next = life_.restart(dead, [this] {
                if (!is_wanted()) std::rethrow_exception(stopped_error());
                hooks_.prepare();
            });
            if (!next || serves(*next)) return next;
            inherit(next);
            dead = std::move(next);
        }
        return nullptr;
    }

    // Waits before a restart; false if the user no longer wants it. Throws WorkerLost if the policy allows no more
    // restarts.
    bool back_off(LaunchedWorker& dead) {
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
        changed_.wait_until(lock, deadline_after(*wait), [this] { return hurried_ || !is_wanted_restart(); });
        return is_wanted_restart();
    }

    // Whether the new worker became ready and got what the hook sends, and now takes calls; false if it crashed or took
    // too long. If it does not serve for another reason, ends it and throws that reason.
    bool serves(LaunchedWorker& worker) {
        const char* why = "its restart failed";
        try {
            if (!worker.exchange().wait_started(life_.options().launch_timeout)) {
                worker.stop(terminate_ladder, "it was not ready in time");
                return false;
            }
            why = "on_restart failed";
            run_hook();
            worker.exchange().open();
            return true;
        } catch (...) {
            if (!worker.is_alive() && worker.was_lost()) return false;
            worker.stop(terminate_ladder, why);
            throw;
        }
    }

    void run_hook() {
        try {
            hooks_.on_restart();
        } catch (const std::exception& error) {
            throw WorkerLost("worker_lost", std::string("on_restart failed: ") + error.what());
        } catch (...) {
            throw WorkerLost("worker_lost", "on_restart failed: it threw something that is not a std::exception");
        }
    }

    bool is_wanted() const {
        const Lock lock(mutex_);
        return is_wanted_restart();
    }

    static std::exception_ptr not_restarted(const std::string& why) {
        return std::make_exception_ptr(WorkerLost("worker_lost", "the worker cannot be restarted: " + why));
    }

    static std::exception_ptr stopped_error() {
        const char* text = "the worker was ended by its host: start the session again";
        return std::make_exception_ptr(SessionClosed("session_closed", text));
    }

    static std::exception_ptr closed_error() {
        return std::make_exception_ptr(SessionClosed("session_closed", "the session was closed: make a new one"));
    }

    Life& life_;
    Hooks hooks_;
    RestartPolicy policy_;
    mutable std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    RestartSchedule schedule_;
    Quarantine quarantine_;
    WorkerPtr worker_;             // the watched worker
    bool restarts_ = false;        // whether it is replacing a worker
    int wish_ = 0;                 // changes whenever the user no longer wants a worker
    int watched_wish_ = 0;         // its value when the user last wanted one
    int restart_wish_ = 0;         // what that was for the worker to be replaced
    bool hurried_ = false;         // whether the back-off has been cut short
    std::exception_ptr given_up_;  // why there is no worker and none will be started; null if that is not so
    bool closed_ = false;
    std::thread thread_;
};

}  // namespace tr::detail
