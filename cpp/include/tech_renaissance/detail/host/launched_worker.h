// A launched process and its exchange: how it is asked to leave, interrupted and ended, and how its end is reported.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/coroner.h"
#include "tech_renaissance/detail/host/end_call.h"
#include "tech_renaissance/detail/host/exchange.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/process/stacks.h"
#include "tech_renaissance/detail/transport/session_place.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// How long the process of a worker that has left may take to end before its error is reported without an exit status.
inline constexpr std::chrono::seconds death_patience(5);

// What a worker needs besides its launch.
struct WorkerParts {
    std::shared_ptr<HostTransport> transport;
    SessionPlace place;
    CancelPatience patience;
    std::chrono::milliseconds launch_timeout;
    bool supervised = false;
    std::shared_ptr<CallQueue> queue;  // of the session, and so is the beacon
    std::shared_ptr<Beacon> beacon;
    bool is_open = true;         // see Exchange
    std::function<void()> told;  // called when the process has ended and the record of it has been made
};

// Those of these requests that the worker has begun and not answered.
inline std::vector<Begun> unanswered(HostTransport& transport, const std::vector<std::int64_t>& ids) {
    std::vector<Begun> begun = transport.begun(ids);
    const std::set<std::int64_t> answered = transport.answered();
    begun.erase(std::remove_if(begun.begin(), begun.end(),
                               [&answered](const Begun& one) { return answered.count(one.id) != 0; }),
                begun.end());
    return begun;
}

// One worker's process, from its launch to its end. Thread-safe.
class LaunchedWorker final : public LadderHands {
public:
    // Throws LaunchError.
    LaunchedWorker(const Launch& launch, const WorkerParts& parts)
        : transport_(parts.transport),
          place_(parts.place),
          patience_(parts.patience),
          launch_timeout_(parts.launch_timeout),
          launch_until_(deadline_after(parts.launch_timeout)),
          supervised_(parts.supervised),
          coroner_(std::make_shared<Coroner>(
              parts.place, launch.argv.front(),
              [transport = parts.transport](const std::vector<Exchange::Id>& ids) {
                  return unanswered(*transport, ids);
              },
              parts.told)),
          process_(launch, [coroner = coroner_](const ProcessEnd& end) { coroner->process_ended(end); }),
          queue_(parts.queue),
          exchange_(*transport_, coroner_->work(), *queue_, hooks(launch, parts.beacon), parts.is_open) {
        transport_->watch_exit(process_.exit_handle());
        if (parts.beacon->is_open()) exchange_.attach();
    }
    ~LaunchedWorker() override { exchange_.close(); }

    const Process& process() const noexcept { return process_; }
    Exchange& exchange() noexcept { return exchange_; }
    // It has failed to start unless it is ready by then.
    Clock::time_point launch_until() const noexcept { return launch_until_; }

    // Whether the process is running; asks the system. See has_failed_to_start.
    bool is_alive() {
        has_failed_to_start();
        return process_.is_alive();
    }

    // See Exchange. The worker has as long to become ready, also if the launch timeout is shorter, but may have failed
    // to start before, unless it is new.
    bool wait_started(std::chrono::milliseconds timeout, bool is_new = false) {
        if (is_new || !has_failed_to_start()) extend_launch(deadline_after(timeout));
        return exchange_.wait_started(timeout);
    }

    // Whether it was not ready in time. Whoever finds that first ends it.
    bool has_failed_to_start() {
        if (is_late()) try_to_take_in();      // whether it is ready
        if (is_late()) end_start();           // another thread reads
        if (failed_to_start_) wait_killed();  // perhaps at this moment, for another thread
        return failed_to_start_;
    }

    // Null until the process has ended.
    std::shared_ptr<const PostMortem> post_mortem() override { return coroner_->post_mortem(); }

    // The call that it was serving when the process ended; null for none.
    CallPtr last_call() const { return coroner_->last_call(); }

    // What may hold up calls, as far as this process can see; else empty.
    std::string lack() {
        if (process_.output_is_behind()) return "the output callback has not taken what the worker has written";
        if (exchange_.is_full())
            return "the worker has " + std::to_string(Exchange::most_in_work) +
                   " calls in work, as many as it takes, and begins no other before one is over";
        return transport_->lack();
    }

    // Whether its host stopped it, and not for a single call.
    bool was_stopped() const noexcept { return stopped_; }

    // Whether its process ended without being asked to.
    bool was_lost() {
        const std::shared_ptr<const PostMortem> death = post_mortem();
        if (!death || stopped_ || exchange_.was_asked_to_leave()) return false;
        return death->exit_status != 0 || death->moment == "starting" || death->moment == "busy";
    }

    // Whether it was lost after it had become ready.
    bool has_crashed() { return was_lost() && exchange_.was_ready(); }

    // Asks it to leave and waits for the end of the process; false if it is still running.
    bool leave(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (is_alive()) exchange_.check_may_wait();
        if (is_alive() && exchange_.ask_to_leave(timeout)) exchange_.wait_left(left_until(deadline));
        return process_.wait(deadline);
    }

    // Ends the process by the steps of the ladder. Every waiting call fails. why is for the post-mortem.
    template <class Ladder>
    void stop(const Ladder& ladder, const std::string& why) {
        for (const LadderStep& step : ladder) {
            if (!is_alive()) break;
            stopped_ = true;
            coroner_->ended_by_host(why);
            if (step.step == Step::exit) {
                try_to_leave(step.patience);
            } else {
                exchange_.begin_end_all();
                end_process(step.step, why);
                process_.wait(step.patience);
            }
        }
        if (is_alive()) process_.mark_unkillable();
        close();
    }

    // Terminates or kills it. why is for the post-mortem.
    void end_process(Step step, const std::string& why) {
        coroner_->ended_by_host(why);
        ended_by_ = step;
        step == Step::terminate ? process_.terminate() : process_.kill();
    }

    // Ends the call with this id, if it is in work. Returns the step that was needed; empty if it was not, or no
    // longer, in work, or another thread is ending it.
    std::string end_call(Exchange::Id id, const std::string& message, EndReason why) {
        const Ending ending(*this, id);
        return ending.is_ours() ? detail::end_call(exchange_, id, message, why, patience_, *this) : "";
    }

    std::optional<Step> ended_by() const override {
        const Step step = ended_by_;
        return step == Step::exit ? std::nullopt : std::optional(step);
    }

    void take(Step step, Exchange::Id call, const std::string& why) override {
        if (step == Step::notice) return transport_->ask_to_cancel(call);
        if (step == Step::interrupt) return interrupt();
        coroner_->ended_for_call(call);
        end_process(step, why);
    }

    // The Python stacks of all threads, or why they cannot be taken; empty if the worker does not offer them. Threads
    // that ask at the same time share them.
    std::string stacks() {
        const Clock::time_point asked = Clock::now();
        const std::lock_guard<std::mutex> lock(stacks_mutex_);
        return stacks_since(asked);
    }
    std::string stacks_for(Exchange::Id call) override {
        const Clock::time_point asked = Clock::now();
        const std::lock_guard<std::mutex> lock(stacks_mutex_);
        return exchange_.wait_over(call, std::chrono::milliseconds(0)) ? "" : stacks_since(asked);
    }

    bool wait_end(std::chrono::milliseconds timeout) override { return process_.wait(timeout); }

    // Makes sure that nobody is in the transport. REQUIRES: the process has ended, or was abandoned.
    void close() { exchange_.close(); }

    // From now on the directory belongs to another worker.
    void leave_directory() noexcept { coroner_->leave_directory(); }

    // Another worker has been launched, which sees to the remaining lines of output.
    void leave_output() noexcept { process_.leave_output(); }

    // The error that reports the process's end. starting: it had never been ready. Waits up to `timeout` for the end.
    std::exception_ptr death(bool starting, std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        process_.wait(std::min(timeout, remaining_death()));
        const std::shared_ptr<const PostMortem> record = post_mortem();
        if (stopped_ && !process_.is_unkillable()) {
            const char* text = "the worker was ended by its host: start the session again";
            return std::make_exception_ptr(SessionClosed("session_closed", text));
        }
        if (failed_to_start_) return not_ready(record);
        if (!record) {
            const char* text = "the worker left, but its process still runs";
            return std::make_exception_ptr(WorkerLost("worker_lost", text, std::nullopt, process_.output_tail()));
        }
        const std::string text =
            (starting ? "the worker ended before it was ready: " : "the worker ended: ") + explain(*record);
        return starting ? make_error<LaunchError>("died_at_start", text, record)
                        : make_error<WorkerLost>("worker_lost", text, record);
    }

    // The error for a worker that was not ready within the launch timeout. record: of its end, if it has ended because
    // of that; else null.
    std::exception_ptr not_ready(const std::shared_ptr<const PostMortem>& record = nullptr) const {
        const std::string text = "the worker was not ready within " + format_seconds(launch_timeout_);
        if (record) return make_error<LaunchError>("launch_timeout", text, record);
        return std::make_exception_ptr(LaunchError("launch_timeout", text, std::nullopt, process_.output_tail()));
    }

private:
    bool is_late() const {
        if (exchange_.was_ready() || failed_to_start_ || Clock::now() < launch_until()) return false;
        return !stopped_ && process_.is_alive();
    }

    // Kills it at once: it may not have come so far that it heeds anything else, and nobody is to wait.
    void end_start() {
        failed_to_start_ = true;
        coroner_->ended_by_host("it was not ready in time");
        process_.kill();
        wait_killed();
    }
    void wait_killed() {
        if (!process_.is_unkillable() && !process_.wait(kill_step.patience)) process_.mark_unkillable();
    }

    void extend_launch(Clock::time_point until) noexcept {
        Clock::time_point before = launch_until_;
        while (before < until && !launch_until_.compare_exchange_weak(before, until)) {
        }
    }

    void try_to_take_in() {
        try {
            exchange_.state();
        } catch (const TRException&) {  // nothing can be received
        }
    }

    // How long to keep waiting for the end of a worker that has left.
    std::chrono::milliseconds remaining_death() {
        if (process_.is_unkillable()) return std::chrono::milliseconds(0);
        Clock::rep unknown = 0;
        const Clock::time_point until = Clock::now() + death_patience;
        death_until_.compare_exchange_strong(unknown, until.time_since_epoch().count());
        return left_until(Clock::time_point(Clock::duration(death_until_.load())));
    }

    template <class Error>
    static std::exception_ptr make_error(const char* code, const std::string& text,
                                         const std::shared_ptr<const PostMortem>& record) {
        return std::make_exception_ptr(Error(code, text, record->exit_status, record->output_tail, record));
    }

    ExchangeHooks hooks(const Launch& launch, std::shared_ptr<Beacon> beacon) {
        ExchangeHooks hooks;
        hooks.beacon = std::move(beacon);
        hooks.has_exited = [this] {
            if (is_late()) end_start();
            return !process_.is_alive();
        };
        hooks.death = [this](bool starting, std::chrono::milliseconds timeout) { return death(starting, timeout); };
        if (std::holds_alternative<OutputCallback>(launch.output)) {
            hooks.switch_output = [this](const std::string& message) { process_.switch_output(message); };
            hooks.wait_for_room = [this](std::chrono::milliseconds timeout) { process_.wait_for_room(timeout); };
        }
        if (supervised_) hooks.hands_over = [this] { return !stopped_; };
        return hooks;
    }

    // If it cannot be asked, the next step needs no cooperation.
    void try_to_leave(std::chrono::milliseconds patience) {
        try {
            leave(patience);
        } catch (const TRException&) {
        }
    }

    // One thread ends a call; others may end others meanwhile.
    class Ending {
    public:
        Ending(LaunchedWorker& worker, Exchange::Id id) : worker_(worker), id_(id) {
            const std::lock_guard<std::mutex> lock(worker_.ending_mutex_);
            is_ours_ = worker_.being_ended_.insert(id_).second;
        }
        ~Ending() {
            const std::lock_guard<std::mutex> lock(worker_.ending_mutex_);
            if (is_ours_) worker_.being_ended_.erase(id_);
        }
        Ending(const Ending&) = delete;
        Ending& operator=(const Ending&) = delete;
        bool is_ours() const noexcept { return is_ours_; }

    private:
        LaunchedWorker& worker_;
        Exchange::Id id_;
        bool is_ours_ = false;
    };

    // REQUIRES: the lock.
    std::string stacks_since(Clock::time_point asked) {
        if (stacks_begun_ <= asked) {
            stacks_begun_ = Clock::now();
            stacks_ = is_alive() && !place_.is_lost() ? take_stacks(process_, place_.directory() / "stack.txt") : "";
        }
        return stacks_;
    }

    // Not while stacks are taken, which uses the same signal.
    void interrupt() {
        const std::lock_guard<std::mutex> lock(stacks_mutex_);
        process_.interrupt();
    }

    std::shared_ptr<HostTransport> transport_;
    SessionPlace place_;
    CancelPatience patience_;
    std::chrono::milliseconds launch_timeout_;
    std::atomic<Clock::time_point> launch_until_;
    std::atomic<bool> failed_to_start_{false};
    bool supervised_;
    std::atomic<bool> stopped_{false};
    std::atomic<Clock::rep> death_until_{0};  // 0 while nobody has waited for the end
    std::mutex ending_mutex_;                 // for the next line
    std::set<Exchange::Id> being_ended_;      // calls, each by a thread
    std::atomic<Step> ended_by_{Step::exit};  // the last step that was to end the process; exit if none was
    std::mutex stacks_mutex_;                 // for the next two lines
    Clock::time_point stacks_begun_ = Clock::time_point::min();
    std::string stacks_;  // the last ones
    std::shared_ptr<Coroner> coroner_;
    Process process_;
    std::shared_ptr<CallQueue> queue_;
    Exchange exchange_;
};

using WorkerPtr = std::shared_ptr<LaunchedWorker>;

}  // namespace tr::detail
