// The calls that no worker has: what the dead one had not begun, until the next one gets it.
#pragma once

#include <algorithm>
#include <deque>
#include <exception>
#include <vector>

#include "tech_renaissance/detail/host/call.h"

namespace tr::detail {

// Oldest first. Not thread-safe.
class LeftOver {
public:
    // What a worker leaves was sent before what is still here.
    void put_first(const std::vector<CallPtr>& calls) { calls_.insert(calls_.begin(), calls.begin(), calls.end()); }

    // The next one that somebody waits for; null for none. It is the sender's now, until it is put back.
    CallPtr take() {
        while (!calls_.empty()) {
            CallPtr call = calls_.front();
            calls_.pop_front();
            if (!call->abandoned) return call;
        }
        return nullptr;
    }
    void put_back(const CallPtr& call) { calls_.push_front(call); }

    // Its deadline has passed; false if it is not here.
    bool expire(const CallPtr& call) {
        const auto found = std::find(calls_.begin(), calls_.end(), call);
        if (found == calls_.end()) return false;
        calls_.erase(found);
        call->fail(expired(*call));
        return true;
    }

    // None of them is sent any more.
    void fail_all(const std::exception_ptr& error) {
        for (const CallPtr& call : calls_) call->fail(error);
        calls_.clear();
    }

private:
    std::deque<CallPtr> calls_;
};

}  // namespace tr::detail
