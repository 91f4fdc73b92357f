// What a session owns from its first start to its end: the directory, the transport, the process. And how it stops
// them.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/coroner.h"
#include "tech_renaissance/detail/host/exchange.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/detail/process/interpreter.h"
#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/process/stack.h"
#include "tech_renaissance/detail/transport/choose.h"
#include "tech_renaissance/detail/transport/session_directory.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// How a worker is stopped: each step, and how long it is given before the next one.
struct StopStep {
    enum class Action { exit, terminate, kill } action;
    std::chrono::milliseconds patience;
};
inline constexpr StopStep stop_ladder[] = {
    {StopStep::Action::exit, std::chrono::milliseconds(2000)},
    {StopStep::Action::terminate, std::chrono::milliseconds(1000)},
    {StopStep::Action::kill, std::chrono::milliseconds(5000)},
};

// How long the process of a worker that has left may take to end, before its error is told without an exit status.
inline constexpr std::chrono::seconds death_patience(5);

// What a worker is made of besides its launch.
struct WorkerParts {
    std::shared_ptr<HostTransport> transport;
    std::string directory;  // of the session
    CancelPatience patience;
    bool supervised = false;
    std::function<void()> told;  // is called when the process has ended and the record of that is made
};

// A launched process and what is said to it. Thread-safe.
class Worker final : public LadderHands {
public:
    // Throws LaunchError.
    Worker(const Launch& launch, const WorkerParts& parts)
        : transport_(parts.transport),
          directory_(parts.directory),
          patience_(parts.patience),
          supervised_(parts.supervised),
          coroner_(std::make_shared<Coroner>(
              parts.directory, launch.argv.front(),
              [transport = parts.transport](Exchange::Id id) { return transport->has_begun(id); }, parts.told)),
          process_(launch, [coroner = coroner_](const ProcessEnd& end) { coroner->process_ended(end); }),
          exchange_(*transport_, coroner_->work(), hooks(launch)) {
        transport_->watch_exit(process_.exit_handle());
    }
    ~Worker() override { exchange_.close(); }

    const Process& process() const noexcept { return process_; }
    Exchange& exchange() noexcept { return exchange_; }
    const Coroner& coroner() const noexcept { return *coroner_; }
    Clock::time_point launched_at() const noexcept { return launched_at_; }

    // Null until the process has ended.
    std::shared_ptr<const PostMortem> post_mortem() override { return coroner_->post_mortem(); }

    // What it is at, and since when.
    std::optional<InWork> in_work() { return coroner_->work().in_work(); }

    // Whether its host has stopped it, and not for a single call.
    bool was_stopped() const noexcept { return stopped_; }

    // Whether it was ready once, and its process has ended as nobody asked for.
    bool has_crashed() {
        const std::shared_ptr<const PostMortem> death = post_mortem();
        if (!death || stopped_ || !exchange_.was_ready() || exchange_.was_asked_to_leave()) return false;
        return death->exit_status != 0 || death->moment == "busy";
    }

    // Steps of the ladder.
    // The same signal asks for the stacks: one at a time.
    void interrupt() override {
        const std::lock_guard<std::mutex> lock(stack_mutex_);
        process_.interrupt();
    }
    void terminate(const std::string& why) override {
        coroner_->ended_for_call();
        coroner_->ended_by_host(why);
        process_.terminate();
    }
    void kill(const std::string& why) override {
        coroner_->ended_by_host(why);
        process_.kill();
    }
    bool wait_end(std::chrono::milliseconds timeout) override { return process_.wait(timeout); }

    // The Python stacks of all threads, or why they cannot be had; empty if there are none.
    std::string stack() override {
        const std::lock_guard<std::mutex> lock(stack_mutex_);
        return process_.is_alive() ? take_stacks(process_, to_path(directory_) / "stack.txt") : "";
    }

    // Ends the request in work. Returns the step that was needed; empty if it is over.
    std::string end_request(Exchange::Id id, const std::string& message, GivenUp why) {
        const std::lock_guard<std::mutex> lock(ladder_mutex_);
        return detail::end_request(exchange_, id, message, why, patience_, *this);
    }

    // Asks it to leave and waits for the end of the process; false if it still runs.
    bool leave(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (process_.is_alive() && exchange_.ask_to_leave(timeout)) exchange_.wait_left(left_until(deadline));
        return process_.wait(deadline);
    }

    // Ends the process by the steps of the ladder from `first` on; every waiting call fails. why: for the post-mortem.
    void stop(StopStep::Action first, const std::string& why) {
        for (const StopStep& step : stop_ladder) {
            if (step.action < first) continue;
            if (!process_.is_alive()) break;
            stopped_ = true;
            take(step, why);
        }
        if (process_.is_alive()) process_.give_up();
        close();
    }

    // Another worker gets the directory.
    void leave_directory() noexcept { coroner_->leave_directory(); }

    // REQUIRES: the process has ended, or was given up. Nobody is in the transport any more.
    void close() {
        exchange_.close();
        say_last_word();
    }

    // The error that tells of the process's end. starting: it had never been ready.
    std::exception_ptr death(bool starting) {
        process_.wait(lives_on_ || process_.was_given_up() ? std::chrono::seconds(0) : death_patience);
        const std::shared_ptr<const PostMortem> record = post_mortem();
        if (!record) {
            lives_on_ = true;
            const char* text = "the worker left, but its process still runs";
            return std::make_exception_ptr(WorkerLost("worker_lost", text, std::nullopt, process_.output_tail()));
        }
        say_last_word();
        if (stopped_) {
            const char* text = "the worker was ended by its host: start the session again";
            return std::make_exception_ptr(SessionClosed("session_closed", text));
        }
        const std::string text =
            (starting ? "the worker ended before it was ready: " : "the worker ended: ") + explain(*record);
        return starting ? make_error<LaunchError>("died_at_start", text, record)
                        : make_error<WorkerLost>("worker_lost", text, record);
    }

    template <class Error>
    static std::exception_ptr make_error(const char* code, const std::string& text,
                                         const std::shared_ptr<const PostMortem>& record) {
        return std::make_exception_ptr(Error(code, text, record->exit_status, record->output_tail, record));
    }

private:
    ExchangeHooks hooks(const Launch& launch) {
        ExchangeHooks hooks;
        hooks.has_exited = [this] { return !process_.is_alive(); };
        hooks.death = [this](bool starting) { return death(starting); };
        if (std::holds_alternative<OutputCallback>(launch.output))
            hooks.switch_output = [this](const std::string& message) { process_.switch_output(message); };
        if (supervised_) hooks.hands_over = [this] { return !stopped_; };
        return hooks;
    }

    void take(const StopStep& step, const std::string& why) {
        if (step.action == StopStep::Action::exit) {
            try {
                leave(step.patience);
            } catch (const TRException&) {  // it cannot be told: the next step needs no cooperation
            }
            return;
        }
        coroner_->ended_by_host(why);
        step.action == StopStep::Action::terminate ? process_.terminate() : process_.kill();
        process_.wait(step.patience);
    }

    void say_last_word() {
        std::call_once(last_word_said_, [this]() noexcept {
            try {
                constexpr std::string_view last_word = "terminated";
                write_file(to_path(directory_) / "status.txt", {{last_word.data(), last_word.size()}});
            } catch (const std::exception&) {  // for people to read, no more
            }
        });
    }

    std::shared_ptr<HostTransport> transport_;
    std::string directory_;
    CancelPatience patience_;
    bool supervised_;
    std::atomic<bool> stopped_{false};
    std::atomic<bool> lives_on_{false};  // though it has left: its end was waited for once, and is not again
    std::once_flag last_word_said_;
    std::mutex ladder_mutex_;
    std::mutex stack_mutex_;
    Clock::time_point launched_at_ = Clock::now();
    std::shared_ptr<Coroner> coroner_;
    Process process_;
    Exchange exchange_;
};

using WorkerPtr = std::shared_ptr<Worker>;

// Thread-safe. The destructor leaves no process and no files; in a fork of the host it does nothing.
class Life {
public:
    // told: is called when a worker's process has ended, by the thread that saw it. Throws LocalProtocolError bad_name
    // or bad_option; nothing is made yet.
    Life(SessionOptions options, std::function<void()> told)
        : options_(std::move(options)),
          told_(std::move(told)),
          environment_(merged(current_environment(), options_.environment)),
          workspace_(find_workspace(options_.workspace, environment_)),
          path_(session_path(workspace_, options_.session_id)) {
        parse_schedule(poll_ms());
        check_transport_name(transport_name());
    }
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life() {
        if (is_ours()) {
            end();
        } else {  // its threads are not here, and its locks may be held for ever
            static_cast<void>(new (std::nothrow) WorkerPtr(std::move(worker_)));
        }
    }

    // False in a fork of the host.
    bool is_ours() const { return owner_ == current_process_id(); }

    const std::string& path() const noexcept { return path_; }
    const SessionOptions& options() const noexcept { return options_; }

    void set_quiet(bool quiet) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        options_.quiet_mode = quiet;
    }

    // The host's end; claims the directory when first used.
    HostTransport& transport() {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (!transport_) {
            if (!directory_) {
                directory_.emplace(path_);
                remove_leftovers(from_path(to_path(path_).parent_path()));
            }
            transport_ = choose_transport(transport_name(), path_, poll_ms());
        }
        return *transport_;
    }

    // Launches a worker; false if one runs already, and has not been given up. Throws LaunchError.
    bool start() {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        try {
            return launch_worker();
        } catch (const TRException&) {
            throw;
        } catch (const std::exception& error) {  // the system's own
            throw_launch_failed(std::string("cannot start a worker: ") + error.what());
        }
    }

    // Launches a worker in place of one that crashed, after `prepare`; or gives the one that its user has started
    // meanwhile. Throws SessionClosed once the session ends.
    WorkerPtr restart(const WorkerPtr& crashed, const std::function<void()>& prepare) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (ended_) throw SessionClosed("session_closed", "the session was closed");
        if (worker() == crashed && !crashed->was_stopped()) {
            prepare();
            start();
        }
        return worker();
    }

    // The present worker, or the last one; null if there was none. Does not wait for a start or an end.
    WorkerPtr worker() const {
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        return worker_;
    }

    // How the last worker ended; null if none has.
    std::shared_ptr<const PostMortem> post_mortem() const {
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        std::shared_ptr<const PostMortem> last = worker_ ? worker_->post_mortem() : nullptr;
        return last ? last : post_mortem_;
    }

    // Ends the process; the directory stays.
    void terminate() {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (const WorkerPtr last = worker()) last->stop(StopStep::Action::terminate, "terminate()");
    }

    // Ends the process, for good.
    void end() noexcept {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        ended_ = true;
        try {
            if (const WorkerPtr last = worker()) last->stop(StopStep::Action::exit, "close()");
        } catch (const std::exception&) {  // its members go all the same, and the process with them
        }
    }

private:
    static Environment merged(Environment base, const Environment& more) {
        for (const auto& [name, value] : more) base[name] = value;
        return base;
    }

    // REQUIRES: the lock.
    bool launch_worker() {
        const WorkerPtr last = worker();
        if (last && last->process().is_alive() && !last->process().was_given_up()) return false;
        Launch launch{arguments(), worker_environment(), options_.working_directory, output()};
        HostTransport& end = transport();
        if (last) {
            last->close();
            last->leave_directory();
        }
        Offer offer = end.prepare();
        launch.inherited_variable = std::move(offer.variable);
        launch.inherited = std::move(offer.descriptors);
        const bool supervised = options_.restart == Restart::on_crash;
        set_worker(
            std::make_shared<Worker>(launch, WorkerParts{transport_, path_, options_.patience, supervised, told_}));
        return true;
    }

    void set_worker(WorkerPtr worker) {
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        if (worker_) post_mortem_ = worker_->post_mortem();
        worker_.swap(worker);  // the last one goes after the lock
    }

    std::string poll_ms() const {
        return options_.poll_ms.empty() ? variable(environment_, "TR_POLL_MS") : options_.poll_ms;
    }

    std::string transport_name() const {
        return options_.transport.empty() ? variable(environment_, "TR_TRANSPORT") : options_.transport;
    }

    std::vector<std::string> arguments() const {
        const std::string interpreter = find_interpreter(options_.python, environment_);
        if (options_.script_path == "default") {
            return {interpreter, "-m", "tech_renaissance.default_server", options_.session_id};
        }
        const std::string script = absolute_path(options_.script_path);
        if (!std::filesystem::is_regular_file(to_path(script))) {
            throw LaunchError("script_not_found", "there is no worker script '" + script + "'");
        }
        return {interpreter, script, options_.session_id};
    }

    Environment worker_environment() const {
        Environment environment = environment_;
        environment["TR_WORKSPACE"] = workspace_;
        if (!poll_ms().empty()) environment["TR_POLL_MS"] = poll_ms();
        if (!transport_name().empty()) environment["TR_TRANSPORT"] = transport_name();
        // What a call has written is there before its answer is.
        if (std::holds_alternative<OutputCallback>(output())) environment["PYTHONUNBUFFERED"] = "1";
        return environment;
    }

    Output output() const {
        if (options_.output) return *options_.output;
        if (options_.quiet_mode) return DiscardOutput{};
        return InheritOutput{};
    }

    SessionOptions options_;
    std::function<void()> told_;
    Environment environment_;
    std::string workspace_;
    std::string path_;
    std::int64_t owner_ = current_process_id();
    mutable std::recursive_mutex mutex_;  // starts and ends, and everything below
    bool ended_ = false;
    std::optional<SessionDirectory> directory_;
    std::shared_ptr<HostTransport> transport_;
    mutable std::mutex worker_mutex_;  // the next two alone
    WorkerPtr worker_;
    std::shared_ptr<const PostMortem> post_mortem_;  // of the worker before that
};

}  // namespace tr::detail
