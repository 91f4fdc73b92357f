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

// Thread-safe.
class OutputGiver {
public:
    explicit OutputGiver(OutputCallback callback) : callback_(std::move(callback)) {}

    // Adds output of the current call.
    void add(Stream stream, std::string bytes) {
        const Lock lock(mutex_);
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
        while (backlog_.is_full() && !complete_ && std::this_thread::get_id() != giver_) {
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

    // Body of the thread. Nothing is given after it returns.
    void run() {
        {
            const Lock lock(mutex_);
            giver_ = std::this_thread::get_id();
        }
        OutputLines lines([this](const OutputLine& line, std::uint64_t nbytes) { give(line, nbytes); });
        while (const std::optional<OutputPiece> piece = next()) {
            try {
                lines.write(*piece);
            } catch (const std::exception&) {  // out of memory: better to lose output than the host
                left_nbytes_ += piece->bytes.size();
            }
        }
        give_rest(lines);
        const Lock lock(mutex_);
        done_ = true;
        changed_.notify_all();
    }

    // Ends the thread after giving what can be given in time. False if the callback does not return, or if the caller
    // is the callback itself; it is not called again then.
    bool finish(std::chrono::milliseconds patience) {
        Lock lock(mutex_);
        complete_ = true;
        if (!give_until_) give_until_ = Clock::now() + callback_patience;
        changed_.notify_all();
        if (std::this_thread::get_id() != giver_ && !abandoned_)
            changed_.wait_until(lock, deadline_after(patience), [this] { return done_; });
        abandoned_ = !done_;
        return done_;
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    // Something may have been added. REQUIRES: the lock.
    void note_added(const Lock&) {
        if (backlog_.is_full() && !full_since_) full_since_ = Clock::now();
        changed_.notify_all();
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

    void give(const OutputLine& line, std::uint64_t nbytes) {
        {
            const Lock lock(mutex_);
            if (abandoned_) return;  // also if the callback itself ended it
            if (give_until_ && Clock::now() > *give_until_) {
                left_nbytes_ += nbytes;
                return;
            }
        }
        call(line);
    }

    void give_rest(OutputLines& lines) noexcept {
        try {
            lines.end();
            if (left_nbytes_ == 0) return;
            OutputLines([this](const OutputLine& line, std::uint64_t) { call(line); }).give_dropped(left_nbytes_, "");
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
    std::uint64_t left_nbytes_ = 0;  // not given, because the time was up; used only by the thread
    std::mutex mutex_;               // for everything below
    std::condition_variable changed_;
    std::thread::id giver_;
    OutputBacklog backlog_;
    CallText call_ = std::make_shared<const std::string>();
    std::optional<Clock::time_point> full_since_;  // while the backlog is full
    std::optional<Clock::time_point> give_until_;
    bool complete_ = false;
    bool done_ = false;
    bool abandoned_ = false;
};

}  // namespace tr::detail
