// What a worker is at, and since when. Behind a lock of its own: it is asked at the worker's end, when others may wait
// for that end under theirs.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/detail/call.h"

namespace tr::detail {

struct InWork {
    CallPtr call;
    Clock::time_point since;
};

class WorkRecord {
public:
    void set_ready() { set("idle"); }
    void set_leaving() { set("exiting"); }

    void sent(CallPtr call) {
        const std::lock_guard<std::mutex> lock(mutex_);
        calls_.push_back({std::move(call), Clock::now()});
    }

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
