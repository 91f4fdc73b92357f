// The calls that no worker has: those that a dead worker had not begun, until the next one gets them.
#pragma once

#include <algorithm>
#include <deque>
#include <exception>
#include <vector>

#include "tech_renaissance/detail/host/call.h"

namespace tr::detail {

// A queue of calls, oldest first. Not thread-safe.
class LeftOver {
public:
    // Adds the calls of a dead worker, which were sent before those still here.
    void put_first(const std::vector<CallPtr>& calls) { calls_.insert(calls_.begin(), calls.begin(), calls.end()); }

    // Takes the next call that someone is waiting for; null for none. It belongs to the caller, unless put back.
    CallPtr take() {
        while (!calls_.empty()) {
            CallPtr call = calls_.front();
            calls_.pop_front();
            if (!call->abandoned) return call;
        }
        return nullptr;
    }
    void put_back(const CallPtr& call) { calls_.push_front(call); }

    // Ends a call whose deadline has passed; false if it is not here.
    bool expire(const CallPtr& call) {
        const auto found = std::find(calls_.begin(), calls_.end(), call);
        if (found == calls_.end()) return false;
        calls_.erase(found);
        call->fail(expired(*call));
        return true;
    }

    // Fails all calls: none of them will be sent.
    void fail_all(const std::exception_ptr& error) {
        for (const CallPtr& call : calls_) call->fail(error);
        calls_.clear();
    }

private:
    std::deque<CallPtr> calls_;
};

}  // namespace tr::detail
