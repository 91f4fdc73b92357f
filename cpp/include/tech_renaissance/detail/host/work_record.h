// What a worker is doing, and since when. It has a lock of its own, because it is read at the worker's end, when others
// may hold their locks while they wait for that end.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/call.h"

namespace tr::detail {

// A call that was sent to a worker. since: when, or when one before it was answered, whichever is later.
struct InWork {
    CallPtr call;
    Clock::time_point since;
    bool is_suspended = false;  // see Begun
};

inline std::vector<std::int64_t> ids_of(const std::deque<InWork>& calls) {
    std::vector<std::int64_t> ids;
    for (const InWork& sent : calls) ids.push_back(*sent.call->request.id);
    return ids;
}

// Those of these calls, oldest first, that the worker has begun, and since when.
inline std::vector<InWork> only_begun(const std::deque<InWork>& calls, const std::vector<Begun>& begun) {
    std::vector<InWork> found;
    for (const InWork& sent : calls) {
        for (const Begun& one : begun) {
            if (one.id == *sent.call->request.id)
                found.push_back({sent.call, std::max(sent.since, one.since.value_or(sent.since)), one.is_suspended});
        }
    }
    return found;
}

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
        CallPtr call;  // destroyed after releasing the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto is_it = [id](const InWork& sent) { return sent.call->request.id == id; };
        const auto found = std::find_if(calls_.begin(), calls_.end(), is_it);
        if (found == calls_.end()) return;
        call = std::move(found->call);
        calls_.erase(found);
        if (!calls_.empty()) calls_.front().since = Clock::now();
    }

    // The calls that were sent and not answered, oldest first.
    std::deque<InWork> calls() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return calls_;
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
