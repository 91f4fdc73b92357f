// A process that is started and watched by its object, and never outlives it.
//
// Each process has two threads. The watcher blocks until the process has ended, takes its last output, and only then
// makes the end public: whoever learns of the end can read all of the output. The pump carries output to its
// destination; a slow reader or callback may hold it up, but never the watcher. A callback that gets the output by
// lines has a third thread, the giver.
//
// A dead process is not reaped at once. Until it is, its process id cannot be reused, so the rest of its group can
// safely be killed by that id. Processes that clean up after a crash (such as multiprocessing's resource tracker) have
// `helper_grace` to do so.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/process/child.h"
#include "tech_renaissance/detail/process/memory.h"
#include "tech_renaissance/detail/process/output_flow.h"
#include "tech_renaissance/detail/system/event.h"

namespace tr::detail {

// How long processes that a dead worker left behind may live on.
constexpr std::chrono::milliseconds helper_grace(500);

// How long the destructor waits for a killed process. Only a process in uninterruptible sleep takes longer; it is then
// left behind.
constexpr std::chrono::seconds kill_patience(5);

// What is known about a process at its end.
struct ProcessEnd {
    std::int64_t pid;
    std::optional<int> exit_status;
    bool killed;                          // by us
    std::uint64_t inherited_peak_nbytes;  // of this process's peak of resident memory, which a new process inherits
    std::string output_tail;
    std::string error_tail;
};

// Called once, in the watcher thread, when the process has ended and its last output has been taken, before the end
// becomes public. It must return soon, and must not wait for anything that waits for the process.
using OnEnd = std::function<void(const ProcessEnd&)>;

// What the threads of a process share. Outlives the Process only if a thread had to be abandoned.
class ProcessState {
public:
    ProcessState(const Launch& launch, OnEnd on_end) : on_end_(std::move(on_end)), output_(launch), child_(launch) {}

    std::int64_t pid() const noexcept { return child_.pid(); }
    WaitHandle finished() const noexcept { return finished_.handle(); }
    std::string output_tail() const { return output_.tail(); }

    bool is_alive() {
        std::unique_lock<std::mutex> lock(mutex_);
        if (ended_) return false;
        if (!child_.has_exited()) return true;
        changed_.wait_for(lock, kill_patience, [this] { return ended_; });  // the watcher is about to say so
        return false;
    }

    std::optional<int> exit_status() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return exit_status_;
    }

    bool wait(std::optional<Clock::time_point> deadline) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto ended = [this] { return ended_; };
        if (deadline) return changed_.wait_until(lock, *deadline, ended);
        changed_.wait(lock, ended);
        return true;
    }

    void terminate() {
        const std::lock_guard<std::mutex> lock(mutex_);
        child_.terminate();
    }

    void kill() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            child_.kill();
            killed_ = true;
        }
        changed_.notify_all();
    }

    void interrupt() {
        const std::lock_guard<std::mutex> lock(mutex_);
        child_.interrupt();
    }

    void ask_stack() {
        const std::lock_guard<std::mutex> lock(mutex_);
        child_.ask_stack();
    }

    void close_lifeline() {
        const std::lock_guard<std::mutex> lock(mutex_);
        child_.close_lifeline();
    }

    void switch_output(const std::string& message) {
        if (output_.lines()) output_.switch_call(child_.output(), message);
    }

    void wait_for_room(std::chrono::milliseconds timeout) { output_.wait_for_room(deadline_after(timeout)); }

    bool output_is_behind() const { return output_.lines() && output_.lines()->is_behind(); }

    // Null unless a callback gets the output by lines.
    const std::shared_ptr<OutputGiver>& lines() const noexcept { return output_.lines(); }

    void finish_output() {
        if (lines()) lines()->finish();
    }

    // Ends the pump, whatever became of the process. From now on output is dropped if its target is full.
    void stop_pump() noexcept {
        stop_.set();
        finished_.set();
    }

    // Body of the watcher thread.
    void watch() {
        const std::optional<int> status = child_.wait_exit();
        output_.take_last(child_.output());
        tell_end(status);
        std::unique_lock<std::mutex> lock(mutex_);
        ended_ = true;
        exit_status_ = status;
        finished_.set();
        changed_.notify_all();
        changed_.wait_for(lock, helper_grace, [this] { return killed_; });
        child_.kill();
        child_.reap();
    }

    // Body of the pump thread.
    void pump() {
        while (!finished_.is_set()) {
            child_.output().wait_readable(finished_.handle());
            output_.wait_for_room(Clock::time_point::max());
            output_.take(child_.output());
            output_.give(stop_.handle());
        }
        output_.give(stop_.handle());
    }

private:
    void tell_end(std::optional<int> status) noexcept {
        try {
            if (on_end_)
                on_end_({pid(), status, was_killed(), inherited_peak_nbytes_, output_.tail(), output_.error_tail()});
        } catch (const std::exception&) {  // the end becomes public all the same
        }
    }

    bool was_killed() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return killed_;
    }

    OnEnd on_end_;
    OutputFlow output_;
    Event finished_;
    Event stop_;
    mutable std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    bool ended_ = false;
    bool killed_ = false;
    std::optional<int> exit_status_;
    Child child_;
    // Read once the child runs: the system only counts exactly when it starts one.
    const std::uint64_t inherited_peak_nbytes_ = own_peak_nbytes();
};

// A child process with a group of its own, which lives no longer than this object. All members but the destructor are
// safe to use from several threads.
//
// A fork of the host must not use the object; destroying it there does not affect the process.
class Process {
public:
    // Starts the process. Throws LaunchError interpreter_not_found or launch_failed, and then leaves nothing behind.
    explicit Process(const Launch& launch, OnEnd on_end = {})
        : state_(std::make_shared<ProcessState>(launch, std::move(on_end))) {
        const SignalsBlocked blocked;
        try {
            watcher_ = std::make_unique<std::thread>([state = state_] { state->watch(); });
            pump_ = std::make_unique<std::thread>([state = state_] { state->pump(); });
            if (state_->lines()) OutputGiver::start(state_->lines());
        } catch (const std::exception& error) {
            stop();
            throw_launch_failed(std::string("cannot start a thread: ") + error.what());
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    // Kills the process and its group, and delivers its last output. Bounded: it abandons a target that takes no more
    // output, a process that even SIGKILL does not end, and a callback that does not return.
    ~Process() { host_pid_ == current_process_id() ? stop() : abandon(); }

    std::int64_t pid() const noexcept { return state_->pid(); }

    // Whether the process is running; asks the system. Once false, exit_status() and output_tail() are complete.
    bool is_alive() const { return state_->is_alive(); }

    // The exit code; negative for a signal, or on Windows for an exception. nullopt while the process
    // runs, or if the host prevents it from being known (it ignores SIGCHLD, or reaps all of its children).
    std::optional<int> exit_status() const { return state_->exit_status(); }

    // True once the process has ended; exit_status() and output_tail() are then complete. False if the deadline passes
    // first.
    bool wait(std::optional<Clock::time_point> deadline = std::nullopt) const { return state_->wait(deadline); }
    bool wait(std::chrono::milliseconds timeout) const { return wait(deadline_after(timeout)); }

    // Asks the group to end (SIGTERM). Windows cannot ask a process without a window, so there it is the same as
    // kill().
    void terminate() const { state_->terminate(); }

    // Ends the whole group for certain, even if its leader is already dead.
    void kill() const { state_->kill(); }

    // Notes that the process was killed but did not end in time: it is in uninterruptible sleep, and the destructor
    // does not wait for it again.
    void mark_unkillable() noexcept { unkillable_ = true; }
    bool is_unkillable() const noexcept { return unkillable_; }

    // Has the worker interrupt its handler or write its stacks, if it knows how.
    void interrupt() const { state_->interrupt(); }

    // Has the worker write the stack of its main thread, if it knows how. Does nothing on Windows.
    void ask_stack() const { state_->ask_stack(); }

    // What was written until now belongs to the call so far, later output to the call with this message. Does nothing
    // unless output is given by lines.
    void switch_output(const std::string& message) const { state_->switch_output(message); }

    // Call it before giving the process more to do: waits, but only briefly, while too much of its output has not been
    // passed on.
    void wait_for_room(std::chrono::milliseconds timeout) const { state_->wait_for_room(timeout); }

    // Whether the callback that gets the output is so slow that it may hold up the process.
    bool output_is_behind() const { return state_->output_is_behind(); }

    // Gives a callback the remaining lines, after which it is not called again. Bounded. Call it once the process has
    // ended or was abandoned.
    void finish_output() const { state_->finish_output(); }

    // For the launch of the next process; null unless a callback gets the output by lines.
    const std::shared_ptr<OutputGiver>& lines() const noexcept { return state_->lines(); }

    // The next process has been launched, and sees to the remaining lines: the destructor does not wait for them.
    void leave_output() noexcept { has_left_output_ = true; }

    // Has the same effect on the worker as the host's death.
    void close_lifeline() const { state_->close_lifeline(); }

    // The last 64 KiB of stdout and stderr in the order of arrival. Not always valid UTF-8.
    std::string output_tail() const { return state_->output_tail(); }

    // A handle to wait for (on POSIX it polls as readable): ready as soon as wait() would return true. Valid as long as
    // this object.
    WaitHandle exit_handle() const noexcept { return state_->finished(); }

private:
    void stop() noexcept {
        state_->kill();
        if (!watcher_) state_->watch();  // its thread could not be started
        const bool ended = state_->wait(deadline_after(unkillable_ ? std::chrono::seconds(0) : kill_patience));
        state_->stop_pump();
        if (watcher_) finish(*watcher_, ended);
        if (pump_) finish(*pump_, true);
        if (!has_left_output_) state_->finish_output();
    }

    // In a fork there are no threads to join, and a mutex may stay locked forever.
    void abandon() noexcept {
        static_cast<void>(new std::shared_ptr<ProcessState>(std::move(state_)));
        static_cast<void>(watcher_.release());
        static_cast<void>(pump_.release());
    }

    static void finish(std::thread& thread, bool will_end) { will_end ? thread.join() : thread.detach(); }

    std::int64_t host_pid_ = current_process_id();
    std::atomic<bool> unkillable_{false};
    std::atomic<bool> has_left_output_{false};
    std::shared_ptr<ProcessState> state_;
    std::unique_ptr<std::thread> watcher_;
    std::unique_ptr<std::thread> pump_;
};

}  // namespace tr::detail
