// The threads that end calls: when their deadlines pass, and when they are cancelled.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/process/process.h"

namespace tr::detail {

// Thread-safe. The first thread starts with the first deadline and sleeps until the next one. While one ends a call,
// another watches, because the end of a call may have to wait for that of another.
//
// Nearly every call is over long before its deadline. Then nobody says so here: a call is not kept for the watch, and
// what is left of those that are over is cleared away now and then.
class DeadlineWatch {
public:
    // end is called in one of the threads, for each call that is not done at its deadline, or was cancelled; again
    // after a moment if it returns false.
    explicit DeadlineWatch(std::function<bool(const CallPtr&, EndReason)> end) : end_(std::move(end)) {}
    DeadlineWatch(const DeadlineWatch&) = delete;
    DeadlineWatch& operator=(const DeadlineWatch&) = delete;
    // Waits for the threads.
    ~DeadlineWatch() {
        close();
        for (std::thread& thread : threads_) thread.join();  // no more are added
    }

    // Makes sure that there is a thread. Throws LaunchError launch_failed if the system has none left.
    void prepare() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!threads_.empty() || closed_) return;
        try {
            add_thread();
        } catch (const std::exception& error) {
            throw_launch_failed(std::string("cannot start a thread: ") + error.what());
        }
    }

    // REQUIRES: the call has a deadline, and prepare() was called.
    void add(const CallPtr& call) { add(key_of(*call), {call, EndReason::deadline}); }

    // Ends a call now. Throws LaunchError launch_failed if there is no thread.
    void cancel(const CallPtr& call) {
        prepare();
        add({Clock::now(), *call->request.id}, {call, EndReason::cancel});
    }

    // From now on no more calls are ended. Does not wait for one that is being ended.
    void close() {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }

private:
    using Key = std::pair<Clock::time_point, std::int64_t>;
    struct Due {
        std::weak_ptr<Call> call;
        EndReason why;
    };

    static Key key_of(const Call& call) { return {*call.deadline, *call.request.id}; }

    void add(const Key& key, Due due) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (calls_.size() >= clear_at_) clear_away();
        const auto place = calls_.emplace(key, std::move(due)).first;
        if (place == calls_.begin()) changed_.notify_all();
    }

    // Forgets the calls that are over. So often that there are never many more of them than others, and so seldom that
    // it costs each call next to nothing. REQUIRES: the lock.
    void clear_away() {
        for (auto place = calls_.begin(); place != calls_.end();) {
            place = is_over(place->second) ? calls_.erase(place) : std::next(place);
        }
        clear_at_ = std::max(least_many, 2 * calls_.size());
    }
    static bool is_over(const Due& due) noexcept {
        const CallPtr call = due.call.lock();
        return !call || call->done();
    }

    void run() {
        std::unique_lock<std::mutex> lock(mutex_);
        while (!closed_) {
            if (calls_.empty()) {
                changed_.wait(lock);
            } else if (const Clock::time_point next = calls_.begin()->first.first; next > Clock::now()) {
                changed_.wait_until(lock, next);
            } else {
                auto due = calls_.extract(calls_.begin());
                if (is_over(due.mapped())) continue;
                ++ending_;
                watch_meanwhile();
                lock.unlock();
                const bool is_over = end(due.mapped());
                lock.lock();
                --ending_;
                if (is_over) continue;
                due.key().first = Clock::now() + retry;
                calls_.insert(std::move(due));
            }
        }
    }

    // REQUIRES: the lock.
    void add_thread() {
        const SignalsBlocked blocked;
        threads_.emplace_back([this] { run(); });
    }

    // Another thread watches if this one was the last; if there is none, the others are ended afterwards. REQUIRES: the
    // lock.
    void watch_meanwhile() noexcept {
        try {
            if (ending_ == threads_.size()) add_thread();
        } catch (const std::exception&) {
        }
    }

    // False also if it failed, for example because memory ran out: that may pass, and must not end the thread.
    bool end(const Due& due) const noexcept {
        try {
            const CallPtr call = due.call.lock();
            return !call || call->done() || end_(call, due.why);
        } catch (const std::exception&) {
            return false;
        }
    }

    // How long to wait before retrying to end a call.
    static constexpr std::chrono::milliseconds retry{100};
    // So many calls that are over may be left lying about.
    static constexpr std::size_t least_many = 64;

    std::function<bool(const CallPtr&, EndReason)> end_;
    std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    std::map<Key, Due> calls_;
    std::size_t clear_at_ = least_many;  // how many there are when those that are over are cleared away
    bool closed_ = false;
    std::size_t ending_ = 0;  // how many threads are ending a call
    std::vector<std::thread> threads_;
};

}  // namespace tr::detail
