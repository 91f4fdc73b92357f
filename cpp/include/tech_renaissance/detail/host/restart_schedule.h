// Whether and when the next worker is started after a crash: spec/life.md, Supervision.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// Not thread-safe.
class RestartSchedule {
public:
    explicit RestartSchedule(const RestartPolicy& policy) : policy_(policy) {}

    // Forgets the crashes so far.
    void reset() {
        restarts_.clear();
        in_a_row_ = 0;
    }

    // How long to wait before the restart, after the crash of a worker that lived this long; nullopt: no more restarts.
    std::optional<std::chrono::milliseconds> next_wait(std::chrono::duration<double> lived, Clock::time_point now) {
        if (lived >= long_life) in_a_row_ = 0;
        while (!restarts_.empty() && now - restarts_.front() >= policy_.window) restarts_.pop_front();
        if (static_cast<int>(restarts_.size()) >= policy_.limit) return std::nullopt;
        restarts_.push_back(now);
        std::chrono::milliseconds wait = policy_.first_backoff;
        for (int i = 0; i < in_a_row_ && wait < policy_.max_backoff; ++i) wait *= 2;
        ++in_a_row_;
        return std::min(wait, policy_.max_backoff);
    }

private:
    // A worker that lived this long has started well, and the back-off starts over.
    static constexpr std::chrono::seconds long_life{10};

    RestartPolicy policy_;
    std::deque<Clock::time_point> restarts_;
    int in_a_row_ = 0;
};

}  // namespace tr::detail
