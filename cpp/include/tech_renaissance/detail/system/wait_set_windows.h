// A wait set as an event, which threads of the system's pool set when a member is signalled.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/system/event_windows.h"
#include "tech_renaissance/detail/system/handle_windows.h"

namespace tr::detail {

// One thread at a time may use it, but any may call wake(), and wait for its handle.
//
// A wait in the pool takes what has signalled an auto-reset event, so the members only count between listen() and
// rest(), while nobody else waits for them.
class WaitSet {
public:
    WaitSet() = default;
    WaitSet(const WaitSet&) = delete;
    WaitSet& operator=(const WaitSet&) = delete;
    ~WaitSet() { stop(); }

    // Signalled while it is ready.
    WaitHandle handle() const noexcept { return ready_.handle(); }

    void add(WaitHandle member) { members_.push_back({member, nullptr}); }
    void remove(WaitHandle member) noexcept {
        const auto is_it = [member](const Member& one) { return one.handle == member; };
        const auto found = std::find_if(members_.begin(), members_.end(), is_it);
        if (found == members_.end()) return;
        stop(*found);
        members_.erase(found);
    }

    // Makes it ready, until it is rested.
    void wake() noexcept { ready_.set(); }

    // Makes it ready after this time, or earlier; zero: no longer.
    void set_timer(std::chrono::milliseconds interval) noexcept { interval_ = interval; }

    // Takes back what has made it ready.
    void rest() noexcept {
        stop();
        ready_.reset();
    }

    // From now on the members count. What cannot be waited for makes it ready at once.
    void listen() noexcept {
        const auto timeout = interval_.count() == 0 ? INFINITE : static_cast<ULONG>(interval_.count());
        for (Member& member : members_) {
            if (member.wait != nullptr) continue;
            if (!::RegisterWaitForSingleObject(&member.wait, member.handle, &signalled, this, timeout,
                                               WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
                member.wait = nullptr;
                wake();
            }
        }
    }

private:
    struct Member {
        HANDLE handle;
        HANDLE wait;
    };

    static void CALLBACK signalled(void* set, BOOLEAN) { static_cast<WaitSet*>(set)->wake(); }

    // Waits for a callback that runs.
    static void stop(Member& member) noexcept {
        if (member.wait != nullptr) ::UnregisterWaitEx(std::exchange(member.wait, nullptr), INVALID_HANDLE_VALUE);
    }
    void stop() noexcept {
        for (Member& member : members_) stop(member);
    }

    Event ready_;
    std::vector<Member> members_;
    std::chrono::milliseconds interval_{0};
};

// Waits until one of them is signalled.
inline void wait_for_either(WaitHandle one, WaitHandle other) {
    const std::array<HANDLE, 2> handles{one, other};
    ::WaitForMultipleObjects(2, handles.data(), FALSE, INFINITE);
}

}  // namespace tr::detail
