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

#include "tech_renaissance/detail/death.h"
#include "tech_renaissance/detail/exchange.h"
#include "tech_renaissance/detail/interpreter.h"
#include "tech_renaissance/detail/process.h"
#include "tech_renaissance/detail/session_directory.h"
#include "tech_renaissance/detail/transport_choice.h"
#include "tech_renaissance/utils/session_options.h"

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

// A launched process and what is said to it. Thread-safe. `last_word` is called once, when the process has ended,
// however it ended.
class Worker {
public:
    Worker(const Launch& launch, HostTransport& transport, std::function<void()> last_word)
        : interpreter_(launch.argv.front()),
          last_word_(std::move(last_word)),
          process_(launch),
          exchange_(
              transport, [this] { return !process_.is_alive(); }, [this](bool starting) { return death(starting); }) {
        transport.watch_exit(process_.exit_handle());
    }
    ~Worker() { exchange_.close(); }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    const Process& process() const noexcept { return process_; }
    Exchange& exchange() noexcept { return exchange_; }
    Clock::time_point launched_at() const noexcept { return launched_at_; }

    // Asks it to leave and waits for the end of the process; false if it still runs.
    bool leave(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (process_.is_alive() && exchange_.ask_to_leave(timeout)) exchange_.wait_left(left_until(deadline));
        return process_.wait(deadline);
    }

    // Ends the process by the steps of the ladder from `first` on; every waiting call fails.
    void stop(StopStep::Action first) {
        for (const StopStep& step : stop_ladder) {
            if (step.action < first) continue;
            if (!process_.is_alive()) break;
            stopped_ = true;
            take(step);
        }
        close();
    }

    // REQUIRES: the process has ended. Nobody is in the transport any more.
    void close() {
        exchange_.close();
        say_last_word();
    }

private:
    void take(const StopStep& step) {
        if (step.action == StopStep::Action::exit) {
            try {
                leave(step.patience);
            } catch (const TRException&) {  // it cannot be told: the next step needs no cooperation
            }
            return;
        }
        step.action == StopStep::Action::terminate ? process_.terminate() : process_.kill();
        process_.wait(step.patience);
    }

    void say_last_word() { std::call_once(last_word_said_, last_word_); }

    // The error that tells of the process's end.
    std::exception_ptr death(bool starting) {
        const bool ended = process_.wait(death_patience);
        const std::string tail = process_.output_tail();
        const std::optional<int> status = process_.exit_status();
        if (!ended) {
            const char* text = "the worker left, but its process still runs";
            return std::make_exception_ptr(WorkerLost("worker_lost", text, std::nullopt, tail));
        }
        say_last_word();
        if (stopped_) {
            const char* text = "the worker was ended by its host: start the session again";
            return std::make_exception_ptr(SessionClosed("session_closed", text));
        }
        const std::string text = status ? explain_death(*status, tail, interpreter_) : "its exit status is unknown";
        if (starting) {
            const std::string message = "the worker ended before it was ready: " + text;
            return std::make_exception_ptr(LaunchError("died_at_start", message, status, tail));
        }
        return std::make_exception_ptr(WorkerLost("worker_lost", "the worker ended: " + text, status, tail));
    }

    std::string interpreter_;
    std::function<void()> last_word_;
    std::once_flag last_word_said_;
    std::atomic<bool> stopped_{false};
    Clock::time_point launched_at_ = Clock::now();
    Process process_;
    Exchange exchange_;
};

// Thread-safe. The destructor leaves no process and no files; in a fork of the host it does nothing.
class Life {
public:
    // Throws LocalProtocolError bad_name or bad_option; nothing is made yet.
    explicit Life(SessionOptions options)
        : options_(std::move(options)),
          environment_(merged(current_environment(), options_.environment)),
          workspace_(find_workspace(options_.workspace, environment_)),
          path_(session_path(workspace_, options_.session_id)) {
        parse_schedule(poll_ms());
        check_transport_name(transport_name());
    }
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life() {
        if (owner_ == current_process_id()) {
            try {
                stop(StopStep::Action::exit);
            } catch (const std::exception&) {  // its members go all the same, and the process with them
            }
        } else {  // its threads are not here, and its locks may be held for ever
            static_cast<void>(new (std::nothrow) std::shared_ptr<Worker>(std::move(worker_)));
        }
    }

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
            if (!directory_) directory_.emplace(path_);
            transport_ = choose_transport(transport_name(), path_, poll_ms());
        }
        return *transport_;
    }

    // Launches a worker; false if one runs already.
    bool start() {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (worker_ && worker_->process().is_alive()) return false;
        Launch launch{arguments(), worker_environment(), options_.working_directory, output()};
        HostTransport& end = transport();
        if (worker_) worker_->close();
        Offer offer = end.prepare();
        launch.inherited_variable = std::move(offer.variable);
        launch.inherited = std::move(offer.descriptors);
        worker_ = std::make_shared<Worker>(launch, end, [this] { write_last_word(); });
        return true;
    }

    // The present worker, or the last one; null if there was none.
    std::shared_ptr<Worker> worker() const {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        return worker_;
    }

    // Ends the process, from a step of the ladder on; the directory stays.
    void stop(StopStep::Action first) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (worker_) worker_->stop(first);
    }

private:
    static Environment merged(Environment base, const Environment& more) {
        for (const auto& [name, value] : more) base[name] = value;
        return base;
    }

    void write_last_word() const noexcept {
        try {
            constexpr std::string_view last_word = "terminated";
            write_file(to_path(path_) / "status.txt", {{last_word.data(), last_word.size()}});
        } catch (const std::exception&) {  // for people to read, no more
        }
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
        return environment;
    }

    Output output() const {
        if (options_.output) return *options_.output;
        if (options_.quiet_mode) return DiscardOutput{};
        return InheritOutput{};
    }

    SessionOptions options_;
    Environment environment_;
    std::string workspace_;
    std::string path_;
    std::int64_t owner_ = current_process_id();
    mutable std::recursive_mutex mutex_;  // everything below
    std::optional<SessionDirectory> directory_;
    std::unique_ptr<HostTransport> transport_;
    std::shared_ptr<Worker> worker_;
};

}  // namespace tr::detail
