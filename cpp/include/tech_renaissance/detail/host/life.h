// What a session owns from its first start to its end: the directory, the transport, the worker; and how it ends them.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/checked_options.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/host/launched_worker.h"
#include "tech_renaissance/detail/process/command_line.h"
#include "tech_renaissance/detail/process/interpreter.h"
#include "tech_renaissance/detail/process/launch.h"
#include "tech_renaissance/detail/system/forks.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/detail/transport/choose.h"
#include "tech_renaissance/detail/transport/session_directory.h"
#include "tech_renaissance/detail/transport/session_place.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// Throws what every use of a session throws in a fork of its host.
[[noreturn]] inline void throw_forked() {
    throw SessionClosed("forked", "this process is a fork of the one that owns the session: create a new session here");
}

// Thread-safe. The destructor leaves no process and no files; in a fork of the host it does nothing.
class Life {
public:
    // Makes nothing yet. told is called when a worker's process has ended, by the thread that noticed it. Throws
    // LocalProtocolError bad_name or bad_option.
    Life(SessionOptions options, std::function<void()> told)
        : options_(checked(std::move(options))),
          told_(std::move(told)),
          environment_(merged(current_environment(), options_.environment)),
          workspace_(find_workspace(options_.workspace, environment_)),
          path_(session_path(workspace_, options_.session_id)),
          files_path_(with_room(to_path(path_), file_name_length)) {
        parse_schedule(poll_ms());
        look();
        check_transport_name(transport_name());
    }
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life() {
        if (is_ours()) {
            end();
        } else {  // its threads do not exist here, and its locks may stay locked forever
            static_cast<void>(new (std::nothrow) WorkerPtr(std::move(worker_)));
            static_cast<void>(new (std::nothrow) std::shared_ptr<HostTransport>(std::move(transport_)));
        }
    }

    // False in a fork of the host.
    bool is_ours() const noexcept { return generation_ == fork_generation(); }

    // Throws SessionClosed forked in a fork of the host, where locks may stay locked forever.
    void check_ours() const {
        if (!is_ours()) throw_forked();
    }

    // Throws SessionClosed after the end, too.
    void check_open() const {
        check_ours();
        if (ended_) throw SessionClosed("session_closed", "the session was closed: make a new one");
    }

    const std::string& path() const noexcept { return path_; }
    CallQueue& queue() noexcept { return *queue_; }
    const std::shared_ptr<Beacon>& beacon() const noexcept { return beacon_; }

    // The handle of the beacon, which from now on shows what this worker, and each one after it, sends. Throws
    // LaunchError launch_failed, or SessionClosed.
    WaitHandle open_beacon() {
        check_ours();
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        check_open();
        const WaitHandle handle = beacon_->open();
        if (const WorkerPtr current = worker()) current->exchange().attach();
        return handle;
    }
    const SessionOptions& options() const noexcept { return options_; }

    void set_quiet(bool quiet) {
        check_ours();
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        options_.quiet_mode = quiet;
    }

    // The host's end. Claims the directory on first use. Throws SessionClosed.
    HostTransport& transport() {
        check_ours();
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        check_open();
        if (!directory_) claim_directory();
        if (!transport_) transport_ = choose_transport(transport_name(), from_path(files_path_), poll_ms(), look());
        return *transport_;
    }

    // Launches a worker; false if one is already running and is not unkillable. Waits for a worker that another thread
    // is ending. is_open: see Exchange. Throws LaunchError or SessionClosed.
    bool start(bool is_open = true) {
        check_ours();
        while (true) {
            WorkerPtr last;
            {
                const std::lock_guard<std::recursive_mutex> lock(mutex_);
                check_open();
                last = worker();
                if (!last || !last->is_alive() || last->process().is_unkillable()) {
                    try_to_launch(last, is_open);
                    return true;
                }
                if (!last->was_stopped()) return false;
            }
            last->wait_end(look_again);
        }
    }

    // Launches a worker in place of a crashed one, not open, after calling `prepare`; null if the user was faster.
    // Throws LaunchError; SessionClosed once the session ends.
    WorkerPtr restart(const WorkerPtr& crashed, const std::function<void()>& prepare) {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        check_open();
        if (worker() != crashed) return nullptr;
        prepare();
        start(false);
        return worker();
    }

    // The current worker, or the last one; null if there was none. Does not wait for a start or an end.
    WorkerPtr worker() const {
        check_ours();
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        return worker_;
    }

    // How the last worker ended; null if no worker has ended.
    std::shared_ptr<const PostMortem> post_mortem() const {
        check_ours();
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        std::shared_ptr<const PostMortem> last = worker_ ? worker_->post_mortem() : nullptr;
        return last ? last : post_mortem_;
    }

    // Ends the process. The directory stays.
    void terminate() {
        if (const WorkerPtr last = started_worker()) last->stop(terminate_ladder, "terminate()");
    }

    // Ends the process for good: no other is started.
    void end() noexcept {
        ended_ = true;
        try {
            if (const WorkerPtr last = started_worker()) last->stop(end_ladder, "close()");
        } catch (const std::exception&) {  // its members are destroyed all the same, and end the process
        }
    }

    // Gives a callback the last lines. It may use the session meanwhile.
    void finish_output() const noexcept {
        try {
            if (const WorkerPtr last = worker()) last->process().finish_output();
        } catch (const std::exception&) {  // the worker's destructor does it
        }
    }

private:
    static Environment merged(Environment base, const Environment& more) {
        for (const auto& [name, value] : more) base[name] = value;
        return base;
    }

    void try_to_launch(const WorkerPtr& last, bool is_open) {
        try {
            launch_worker(last, is_open);
        } catch (const TRException&) {
            throw;
        } catch (const std::exception& error) {  // an error of the system
            throw_launch_failed(std::string("cannot start a worker: ") + error.what());
        }
    }

    // Waits for a start to finish. Ending a worker takes time, so that is done without the lock.
    WorkerPtr started_worker() const {
        const std::lock_guard<std::recursive_mutex> lock(mutex_);
        return worker();
    }

    // How often to check whether a worker that is being ended has turned out to be unkillable.
    static constexpr std::chrono::milliseconds look_again{1000};

    // REQUIRES: the lock.
    void launch_worker(const WorkerPtr& last, bool is_open) {
        Launch launch{arguments(), worker_environment(), options_.working_directory, output()};
        if (directory_ && !directory_->is_in_place()) claim_directory();
        HostTransport& end = transport();
        if (last) {
            last->close();
            last->leave_directory();
            launch.lines_before = last->process().lines();
        }
        Offer offer = end.prepare();
        if (!offer.refusal.empty()) launch.environment[offer.variable] = offer.refusal;
        if (!offer.descriptors.empty()) launch.inherited_variable = std::move(offer.variable);
        launch.inherited = std::move(offer.descriptors);
        const bool supervised = options_.restart == Restart::on_crash;
        const WorkerParts parts{transport_,
                                SessionPlace(files_path_),
                                options_.patience,
                                options_.launch_timeout,
                                supervised,
                                queue_,
                                beacon_,
                                is_open,
                                told_};
        WorkerPtr next = std::make_shared<LaunchedWorker>(launch, parts);
        if (last) last->leave_output();
        set_worker(std::move(next));
    }

    // Claims the directory, also in place of a lost one. That one is released afterwards: while its lock file is open,
    // no other file can have the same identity.
    void claim_directory() {
        directory_ = std::make_unique<SessionDirectory>(from_path(files_path_));
        remove_leftovers(from_path(to_path(path_).parent_path()));
    }

    void set_worker(WorkerPtr worker) {
        const std::lock_guard<std::mutex> lock(worker_mutex_);
        if (worker_) post_mortem_ = worker_->post_mortem();
        worker_.swap(worker);  // destroys the last one after releasing the lock
    }

    std::string poll_ms() const {
        return options_.poll_ms.empty() ? variable(environment_, "TR_POLL_MS") : options_.poll_ms;
    }

    std::optional<std::chrono::microseconds> look() const {
        return choose_look(options_.look, variable(environment_, "TR_LOOK_US"));
    }

    std::string transport_name() const {
        return options_.transport.empty() ? variable(environment_, "TR_TRANSPORT") : options_.transport;
    }

    std::vector<std::string> arguments() const {
        const std::string interpreter = find_interpreter(options_.python, environment_);
        return whole_command_line(
            interpreter, {options_.script_path, options_.session_id, options_.python_arguments, options_.arguments});
    }

    Environment worker_environment() const {
        Environment environment = environment_;
        environment["TR_WORKSPACE"] = workspace_;
        if (!poll_ms().empty()) environment["TR_POLL_MS"] = poll_ms();
        if (look()) environment["TR_LOOK_US"] = std::to_string(look()->count());
        if (!transport_name().empty()) environment["TR_TRANSPORT"] = transport_name();
        // So that a call's output comes before its answer.
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
    std::filesystem::path files_path_;  // the same, in a form in which each of its files can be reached
    std::shared_ptr<CallQueue> queue_ = std::make_shared<CallQueue>();
    std::shared_ptr<Beacon> beacon_ = std::make_shared<Beacon>();
    unsigned generation_ = fork_generation();
    mutable std::recursive_mutex mutex_;  // for starts and ends, and everything below
    std::atomic<bool> ended_{false};
    std::unique_ptr<SessionDirectory> directory_;
    std::shared_ptr<HostTransport> transport_;
    mutable std::mutex worker_mutex_;  // only for the next two
    WorkerPtr worker_;
    std::shared_ptr<const PostMortem> post_mortem_;  // of the previous worker
};

}  // namespace tr::detail
