// What a session owns from its first start to its end: the directory, the transport, the process. And how it stops them.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/death.h"
#include "tech_renaissance/detail/exchange.h"
#include "tech_renaissance/detail/interpreter.h"
#include "tech_renaissance/detail/process.h"
#include "tech_renaissance/detail/session_directory.h"
#include "tech_renaissance/detail/transport_file.h"
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

// A launched process and what is said to it.
class Worker {
public:
    Worker(const Launch& launch, HostTransport& transport)
        : interpreter_(launch.argv.front()),
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

    // Asks it to leave and waits for its end; false if it did not.
    bool leave(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (!process_.is_alive()) return true;
        if (!exchange_.wait_started(timeout)) return false;
        exchange_.leave(left_until(deadline));
        return process_.wait(deadline);
    }

    void stop(StopStep::Action first) {
        for (const StopStep& step : stop_ladder) {
            if (step.action < first) continue;
            if (!process_.is_alive()) break;
            take(step);
        }
        exchange_.close();
    }

private:
    void take(const StopStep& step) {
        if (step.action == StopStep::Action::exit) {
            try {
                leave(step.patience);
            } catch (const std::exception&) {  // it died, or cannot be told: the next step needs no cooperation
            }
            return;
        }
        step.action == StopStep::Action::terminate ? process_.terminate() : process_.kill();
        process_.wait(step.patience);
    }

    // The error that tells of the process's end.
    std::exception_ptr death(bool starting) const {
        const bool ended = process_.wait(std::chrono::seconds(5));
        const std::string tail = process_.output_tail();
        const std::optional<int> status = process_.exit_status();
        if (!ended) {
            const char* text = "the worker left, but its process still runs";
            return std::make_exception_ptr(WorkerLost("worker_lost", text, std::nullopt, tail));
        }
        const std::string text = status ? explain_death(*status, tail, interpreter_) : "its exit status is unknown";
        if (starting) {
            const std::string message = "the worker ended before it was ready: " + text;
            return std::make_exception_ptr(LaunchError("died_at_start", message, status, tail));
        }
        return std::make_exception_ptr(WorkerLost("worker_lost", "the worker ended: " + text, status, tail));
    }

    std::string interpreter_;
    Clock::time_point launched_at_ = Clock::now();
    Process process_;
    Exchange exchange_;
};

// Thread-safe. The destructor leaves no process and no files; in a fork of the host it does nothing.
class Life {
public:
    explicit Life(SessionOptions options)
        : options_(std::move(options)),
          environment_(merged(current_environment(), options_.environment)),
          workspace_(find_workspace(options_.workspace, environment_)),
          path_(session_path(workspace_, options_.session_id)) {}
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life() {
        if (worker_ && owner_ == current_process_id()) stop(StopStep::Action::exit);
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
            directory_.emplace(path_);
            transport_.emplace(path_, poll_ms());
        }
        return *transport_;
    }

    // Launches a worker; false if one runs already.
    bool start() {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (worker_ && worker_->process().is_alive()) return false;
        const Launch launch{arguments(), worker_environment(), options_.working_directory, output()};
        HostTransport& end = transport();
        if (worker_) worker_->exchange().close();
        end.prepare();
        worker_ = std::make_shared<Worker>(launch, end);
        return true;
    }

    // The present worker, or the last one; null if there was none.
    std::shared_ptr<Worker> worker() const {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        return worker_;
    }

    // Ends the process for certain; the directory stays.
    void stop(StopStep::Action first) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        if (!worker_) return;
        worker_->stop(first);
        try {
            constexpr std::string_view last_word = "terminated";
            write_file(to_path(path_) / "status.txt", {{last_word.data(), last_word.size()}});
        } catch (const std::exception&) {  // for people to read, no more
        }
    }

private:
    static Environment merged(Environment base, const Environment& more) {
        for (const auto& [name, value] : more) base[name] = value;
        return base;
    }

    std::string poll_ms() const {
        return options_.poll_ms.empty() ? variable(environment_, "TR_POLL_MS") : options_.poll_ms;
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
    std::optional<FileTransport> transport_;
    std::shared_ptr<Worker> worker_;
};

}  // namespace tr::detail
