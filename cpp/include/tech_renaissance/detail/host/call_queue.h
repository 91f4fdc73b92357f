// The calls of a session that no worker has: they wait for room, for their turn, or for the next worker.
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <vector>

#include "tech_renaissance/detail/host/call.h"

namespace tr::detail {

// Oldest first. Thread-safe. Whichever worker serves takes its calls from here.
class CallQueue {
public:
    // Puts a call in line, unless it is there.
    void add(const CallPtr& call) {
        const Lock lock(mutex_);
        if (!call->is_in_line) calls_.push_back({call, false});
        call->is_in_line = true;
        has_any_ = true;
    }

    // Gives the calls to `send`, oldest first, until it returns false. A call stays in line if `send` throws.
    template <class Send>
    void send(Send send) {
        const Lock lock(mutex_);
        while (has_first() && send(calls_.front().call)) pop();
        has_any_ = !calls_.empty();
    }

    // Whether nothing is in line. Takes no lock, and may say that there is something when there is nothing left.
    bool seems_empty() const noexcept { return !has_any_; }
    bool empty() {
        const Lock lock(mutex_);
        return !has_first();
    }

    // Puts a dead worker's calls in front, as they were sent before those that are here; all of them wait for the next
    // worker.
    void inherit(const std::vector<CallPtr>& calls) {
        const Lock lock(mutex_);
        for (auto call = calls.rbegin(); call != calls.rend(); ++call) {
            calls_.push_front({*call, true});
            (*call)->is_in_line = true;
        }
        for (Place& place : calls_) place.is_inherited = true;
        has_any_ = !calls_.empty();
    }

    // Fails the calls that wait for the next worker and for which there is an error.
    template <class MakeError>
    void fail(MakeError make_error) {
        const Lock lock(mutex_);
        for (const Place& place : calls_) {
            if (!place.is_inherited || !is_waiting(*place.call)) continue;
            if (const std::exception_ptr error = make_error(*place.call)) place.call->fail(error);
        }
    }

    // From now on this call waits until a worker is ready, before it lines up.
    void begin_wait(const CallPtr& call) {
        const Lock lock(mutex_);
        waiting_.push_back(call);
    }
    void end_wait(const CallPtr& call) {
        const Lock lock(mutex_);
        waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), call), waiting_.end());
    }

    // Fails the calls that wait until a worker is ready.
    void fail_waiting(const std::exception_ptr& error) {
        const Lock lock(mutex_);
        for (const CallPtr& call : waiting_) end(*call, error, lock);
    }

    // Cancels the oldest call, if there is any.
    bool cancel_first() {
        const Lock lock(mutex_);  // as long as a call waits, nobody sends it
        if (!has_first() && waiting_.empty()) return false;
        Call& call = has_first() ? *calls_.front().call : *waiting_.front();
        return end(call, unbegun(call, EndReason::cancel), lock);
    }

    // Ends a call, for a reason or because nobody waits for it; false if a worker has it, or it is done. It no longer
    // holds what it was to send, and goes when it is first in line.
    bool end(Call& call, const std::exception_ptr& error) { return end(call, error, Lock(mutex_)); }

private:
    using Lock = std::lock_guard<std::mutex>;
    struct Place {
        CallPtr call;
        bool is_inherited;  // whether it is in line for the worker after a dead one
    };

    static bool end(Call& call, const std::exception_ptr& error, const Lock&) {
        if (call.exchange != nullptr || call.done()) return false;
        call.attachments.clear();
        call.fail(error);
        return true;
    }

    static bool is_waiting(const Call& call) { return call.exchange == nullptr && !call.done() && !call.abandoned; }

    // Forgets the calls in front that are over, or have been sent.
    bool has_first() {
        while (!calls_.empty() && !is_waiting(*calls_.front().call)) pop();
        return !calls_.empty();
    }

    void pop() {
        calls_.front().call->is_in_line = false;
        calls_.pop_front();
    }

    std::mutex mutex_;
    std::deque<Place> calls_;
    std::deque<CallPtr> waiting_;
    std::atomic<bool> has_any_{false};
};

}  // namespace tr::detail
