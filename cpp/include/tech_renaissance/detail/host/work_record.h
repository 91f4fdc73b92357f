// What a worker is at, and since when. Behind a lock of its own: it is asked at the worker's end, when others may wait
// for that end under theirs.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/host/call.h"

namespace tr::detail {

struct InWork {
    CallPtr call;
    Clock::time_point since;
};

class WorkRecord {
public:
    void set_ready() { set("idle"); }
    void set_leaving() { set("exiting"); }

    // A call that is being sent: noted as the newest one, and forgotten again unless it is kept.
    class Entry {
    public:
        Entry(WorkRecord& record, CallPtr call) : record_(record) {
            const std::lock_guard<std::mutex> lock(record_.mutex_);
            record_.calls_.push_back({std::move(call), Clock::now()});
        }
        ~Entry() {
            if (kept_) return;
            const std::lock_guard<std::mutex> lock(record_.mutex_);
            record_.calls_.pop_back();
        }
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;

        void keep() noexcept { kept_ = true; }

    private:
        WorkRecord& record_;
        bool kept_ = false;
    };

    // The oldest call.
    void answered() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!calls_.empty()) calls_.pop_front();
        if (!calls_.empty()) calls_.front().since = Clock::now();
    }

    // A request is in work from when it was sent, or the one before it was answered.
    std::optional<InWork> in_work() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return calls_.empty() ? std::nullopt : std::optional<InWork>(calls_.front());
    }

    // The newest call of those that pass a test; not run under the lock.
    template <class Test>
    std::optional<InWork> newest(Test test) const {
        std::unique_lock<std::mutex> lock(mutex_);
        const std::deque<InWork> calls = calls_;
        lock.unlock();
        const auto found = std::find_if(calls.rbegin(), calls.rend(), test);
        return found == calls.rend() ? std::nullopt : std::optional<InWork>(*found);
    }

    // "starting", "idle" or "exiting": what it is at while it has no call.
    std::string moment() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return moment_;
    }

private:
    void set(const char* moment) {
        const std::lock_guard<std::mutex> lock(mutex_);
        moment_ = moment;
    }

    mutable std::mutex mutex_;
    std::deque<InWork> calls_;
    std::string moment_ = "starting";
};

}  // namespace tr::detail
