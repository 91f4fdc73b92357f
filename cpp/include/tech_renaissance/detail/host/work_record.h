// What a worker is doing, and since when. It has a lock of its own, because it is read at the worker's end, when others
// may hold their locks while they wait for that end.
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

    // A call that is being sent. Notes it as the newest one, and forgets it again unless it is kept.
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

    // The call with this id has been answered.
    void answered(std::int64_t id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto is_it = [id](const InWork& sent) { return sent.call->request.id == id; };
        const auto found = std::find_if(calls_.begin(), calls_.end(), is_it);
        if (found == calls_.end()) return;
        calls_.erase(found);
        if (!calls_.empty()) calls_.front().since = Clock::now();
    }

    // The current call. A call becomes the current one when it is sent, or when the one before it is answered.
    std::optional<InWork> in_work() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return calls_.empty() ? std::nullopt : std::optional<InWork>(calls_.front());
    }

    // The newest call that passes a test, which is not run under the lock.
    template <class Test>
    std::optional<InWork> newest(Test test) const {
        std::unique_lock<std::mutex> lock(mutex_);
        const std::deque<InWork> calls = calls_;
        lock.unlock();
        const auto found = std::find_if(calls.rbegin(), calls.rend(), test);
        return found == calls.rend() ? std::nullopt : std::optional<InWork>(*found);
    }

    // What it is doing while it has no call: "starting", "idle" or "exiting".
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
