// Gives the output to a callback by lines, in a thread of its own: spec/life.md, Output by lines.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/process/output_backlog.h"
#include "tech_renaissance/detail/process/output_lines.h"

namespace tr::detail {

// How long a callback may hold up its worker, and for how long it gets the remaining lines at the end.
inline constexpr std::chrono::milliseconds callback_patience(1000);

// How long to wait at the end for a callback that does not return.
inline constexpr std::chrono::seconds stuck_callback_patience(5);

// Thread-safe.
class OutputGiver {
public:
    // before: gives the lines of the process before this one, and ends first; null if there was none.
    explicit OutputGiver(OutputCallback callback, std::shared_ptr<OutputGiver> before = nullptr)
        : callback_(std::move(callback)), before_(std::move(before)) {}

    // Starts the thread, which keeps the giver alive until finish(). Throws std::system_error.
    static void start(const std::shared_ptr<OutputGiver>& giver) {
        const Lock lock(giver->mutex_);
        giver->thread_ = std::thread([giver] { giver->run(); });
        giver->is_running_ = true;
    }

    // Adds output of the current call.
    void add(Stream stream, std::string bytes) {
        const Lock lock(mutex_);
        left_nbytes_ += bytes.size();
        backlog_.add(stream, std::move(bytes), call_);
        note_added(lock);
    }

    // From now on output belongs to the call with this message; an empty message means no call.
    void switch_call(const std::string& message) {
        CallText call = std::make_shared<const std::string>(message);
        const Lock lock(mutex_);
        if (!call_->empty()) backlog_.end_call(call_);
        call_ = std::move(call);
        note_added(lock);
    }

    // No more output will come.
    void complete() noexcept {
        const Lock lock(mutex_);
        complete_ = true;
        changed_.notify_all();
    }

    // Waits while too much has not been given yet, but no longer than a callback may hold things up. Does not wait in
    // the callback itself, which alone makes room.
    void wait_for_room(Clock::time_point deadline) {
        Lock lock(mutex_);
        while (backlog_.is_full() && !complete_ && !is_callback(lock)) {
            const Clock::time_point now = Clock::now();
            const Clock::time_point patience = *full_since_ + callback_patience;
            if (now >= patience) return backlog_.drop();
            if (now >= deadline) return;
            changed_.wait_until(lock, std::min(deadline, patience));
        }
    }

    // Whether the callback has left so much that the worker may be held up.
    bool is_behind() {
        const Lock lock(mutex_);
        return backlog_.is_behind();
    }

    // Ends the thread after giving what can be given in time. A callback that does not return is abandoned: it is not
    // called again. So is one that calls this itself.
    void finish() {
        Lock lock(mutex_);
        complete_ = true;
        if (!give_until_) give_until_ = Clock::now() + callback_patience;
        changed_.notify_all();
        if (!is_callback(lock))
            changed_.wait_for(lock, stuck_callback_patience, [this] { return !is_running_ || abandoned_; });
        const bool will_end = !is_running_;
        if (!will_end) abandon(lock);
        std::thread thread = std::move(thread_);
        lock.unlock();
        if (thread.joinable()) will_end ? thread.join() : thread.detach();
    }

    // Body of the thread. Nothing is given after it returns.
    void run() {
        {
            const Lock lock(mutex_);
            giver_ = std::this_thread::get_id();
        }
        OutputLines lines([this](const OutputLine& line, std::uint64_t nbytes) { give(line, nbytes); });
        if (before_) follow(lines);
        while (const std::optional<OutputPiece> piece = next()) {
            try {
                lines.write(*piece);
            } catch (const std::exception&) {  // out of memory: better to lose output than the host
            }
        }
        give_rest(lines);
        const Lock lock(mutex_);
        is_running_ = false;
        changed_.notify_all();
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    // Something may have been added. REQUIRES: the lock.
    void note_added(const Lock&) {
        if (backlog_.is_full() && !full_since_) full_since_ = Clock::now();
        changed_.notify_all();
    }

    // Whether this is the callback, for these lines or those before. REQUIRES: the lock.
    bool is_callback(const Lock&) const {
        if (std::this_thread::get_id() == giver_) return true;
        if (!before_) return false;
        const Lock lock(before_->mutex_);
        return before_->is_callback(lock);
    }

    // REQUIRES: the lock.
    void abandon(const Lock&) {
        abandoned_ = true;
        changed_.notify_all();
        if (!before_) return;
        const Lock lock(before_->mutex_);
        before_->abandon(lock);
    }

    // Waits for the next piece and returns it; nullopt after the last.
    std::optional<OutputPiece> next() {
        Lock lock(mutex_);
        changed_.wait(lock, [this] { return complete_ || !backlog_.empty(); });
        std::optional<OutputPiece> piece = backlog_.take();
        if (!backlog_.is_full()) {
            full_since_.reset();
            changed_.notify_all();
        }
        return piece;
    }

    // Waits until the lines before have been given, and tells what was lost of them.
    void follow(const OutputLines& lines) noexcept {
        before_->finish();
        std::shared_ptr<OutputGiver> before;  // destroyed without the lock, because the callback may own anything
        std::uint64_t lost = 0;
        {
            const Lock lock(mutex_);
            before.swap(before_);
            lost = before->left_nbytes();
            left_nbytes_ += lost;
        }
        try {
            if (lost > 0) lines.give_dropped(lost, "");
        } catch (const std::exception&) {  // out of memory: it is told at the end
        }
    }

    std::uint64_t left_nbytes() {
        const Lock lock(mutex_);
        return left_nbytes_;
    }

    void give(const OutputLine& line, std::uint64_t nbytes) {
        {
            const Lock lock(mutex_);
            if (abandoned_) return;  // also if the callback itself ended it
            if (give_until_ && Clock::now() > *give_until_) return;
            left_nbytes_ -= nbytes;
        }
        call(line);
    }

    void give_rest(OutputLines& lines) noexcept {
        try {
            lines.end();
            std::uint64_t left = 0;
            {
                const Lock lock(mutex_);
                if (!abandoned_) left = std::exchange(left_nbytes_, 0);
            }
            if (left == 0) return;
            OutputLines([this](const OutputLine& line, std::uint64_t) { call(line); }).give_dropped(left, "");
        } catch (const std::exception&) {
        }
    }

    // Ignores what the callback throws, because there is no caller to rethrow it to.
    void call(const OutputLine& line) const noexcept {
        try {
            if (callback_) callback_(line);
        } catch (...) {
        }
    }

    OutputCallback callback_;
    std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    std::thread thread_;
    std::thread::id giver_;  // the thread's
    std::shared_ptr<OutputGiver> before_;
    OutputBacklog backlog_;
    CallText call_ = std::make_shared<const std::string>();
    std::uint64_t left_nbytes_ = 0;                // what the callback has neither got nor been told of
    std::optional<Clock::time_point> full_since_;  // while the backlog is full
    std::optional<Clock::time_point> give_until_;
    bool complete_ = false;
    bool is_running_ = false;
    bool abandoned_ = false;
};

}  // namespace tr::detail
