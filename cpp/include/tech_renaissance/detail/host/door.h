// How futures reach their session, whose end they may outlive.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>

#include "tech_renaissance/detail/host/attend.h"
#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/exposed.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/system/forks.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Thread-safe.
class Door {
public:
    // REQUIRES: close() is called before the caller's end, except in a fork.
    explicit Door(Caller& caller) : caller_(&caller), beacon_(caller.beacon()), exposed_(caller.exposed()) {}

    // The session's beacon, which is still there after its end.
    const std::shared_ptr<Beacon>& beacon() const noexcept { return beacon_; }

    // Runs what the handler of a call says and asks: see detail::attend. No visit lasts meanwhile, because that may end
    // the session.
    std::exception_ptr attend(const CallPtr& call, Attending how) {
        return detail::attend(call, how, *exposed_, beacon_.get(), [this](auto action) {
            try {
                const Visit session(*this);
                action(*session.caller());
            } catch (const SessionClosed&) {  // and with it the call
            }
        });
    }

    // While it exists, the session does.
    class Visit {
    public:
        // Throws SessionClosed.
        explicit Visit(Door& door) : door_(door) {
            door.check_ours();  // in a fork the lock may stay locked forever
            const std::lock_guard<std::mutex> lock(door.mutex_);
            if (door.closed_) throw SessionClosed("session_closed", "the session was closed: make a new one");
            ++door.visits_;
        }
        ~Visit() {
            const std::lock_guard<std::mutex> lock(door_.mutex_);
            if (--door_.visits_ == 0) door_.left_.notify_all();
        }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;

        Caller* operator->() const noexcept { return caller(); }
        Caller* caller() const noexcept { return door_.caller_; }

    private:
        Door& door_;
    };

    // Ends the visits, which may be waits, by calling `end`.
    template <class End>
    void close(End end) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            closed_ = true;
        }
        end();
        std::unique_lock<std::mutex> lock(mutex_);
        left_.wait(lock, [this] { return visits_ == 0; });
    }

    bool is_closed() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return closed_;
    }

    bool is_ours() const noexcept { return generation_ == fork_generation(); }

private:
    void check_ours() const {
        if (!is_ours()) throw_forked();
    }

    Caller* const caller_;
    const std::shared_ptr<Beacon> beacon_;
    const std::shared_ptr<Exposed> exposed_;
    const unsigned generation_ = fork_generation();
    std::mutex mutex_;  // for everything below
    std::condition_variable left_;
    std::size_t visits_ = 0;
    bool closed_ = false;
};

}  // namespace tr::detail
