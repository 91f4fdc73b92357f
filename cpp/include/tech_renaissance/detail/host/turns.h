// Who reads what a worker sends: the threads that wait, in turns, and those that dispatch.
//
// The waiting threads do the reading; there is no thread of our own. The first thread that waits for anything becomes
// the reader, gives everything that arrives to the call it belongs to, and wakes the others; when it has what it
// wanted, another becomes the reader. So a reply reaches a single waiting thread without a thread switch. While nobody
// reads, the worker rings for each frame if the session's beacon is open, which then shows it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/arrivals.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

// The part of an Exchange that moves frames.
class Turns : public Arrivals {
public:
    using Milliseconds = std::chrono::milliseconds;

    // Throws LocalProtocolError would_wait_for_itself if the worker waits for this thread: in a function that it has
    // asked for, or while an input is open.
    void check_may_wait() const {
        Callback::check_may_wait(hooks_.beacon.get());
        const Lock lock(mutex_);
        if (owes_values_before(nullptr)) Callback::throw_waits_for_itself();
    }

    // Something has become of a call in line.
    void wake() {
        const Lock lock(mutex_);
        wake_all();
    }

    // The session's beacon has been opened: from now on it shows when there is something to read while nobody does.
    // Throws LaunchError launch_failed.
    void attach() {
        const Lock lock(mutex_);
        if (is_attached_ || closed_ || over_) return;
        members_ = transport_.members();
        hooks_.beacon->add(members_);
        is_attached_ = true;
        if (!reading_) arm();
    }

    // Gives what has come to its calls, and returns those that have news. Does not wait, and leaves the rest for
    // another time if there is much. Reads nothing while another thread does.
    std::vector<CallPtr> dispatch() {
        Lock lock(mutex_);
        read_some(lock);
        std::vector<CallPtr> with_news = std::exchange(newsy_, {});
        if (!std::exchange(has_news_, false)) return with_news;
        for (const auto& [id, call] : calls_) {
            if (call->has_news()) with_news.push_back(call);
        }
        return with_news;
    }

protected:
    using Lock = std::unique_lock<std::mutex>;

    Turns(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open)
        : Arrivals(transport, work, queue, std::move(hooks), is_open) {}
    ~Turns() = default;

    // Gives what has arrived to the calls it belongs to. Does not wait.
    void take_in() {
        until([] { return false; }, Milliseconds(0));
    }

    void wake_all() {
        changed_.notify_all();
        if (reading_) transport_.wake();
    }

    // Runs the exchange until done(), which is called under the lock; false after the timeout. Does not touch the
    // transport once the exchange is closed, because others use it then, or once it is broken. call: that this
    // waits for. Throws LocalProtocolError would_wait_for_itself if the worker first waits for values of this thread.
    template <class IsDone>
    bool until(IsDone is_done, Milliseconds timeout, const Call* call = nullptr) {
        const auto done = [&] {
            send_waiting();
            return is_done();
        };
        Lock lock(mutex_);
        if (done()) return true;
        const Arming arming(*this);
        const Clock::time_point deadline = deadline_after(timeout);
        do {
            if (closed_ || broken_) return false;
            const Milliseconds left = left_until(deadline);
            const bool waits_for_itself = call != nullptr && left.count() != 0 && owes_values_before(call);
            if (reading_) {
                if (left.count() == 0) return false;
                if (waits_for_itself) Callback::throw_waits_for_itself();
                changed_.wait_until(lock, deadline);
                continue;
            }
            const bool came = read(lock, waits_for_itself ? Milliseconds(0) : left);
            if (waits_for_itself && !came && owes_values_before(call)) Callback::throw_waits_for_itself();
            if (left.count() == 0 && (!came || Clock::now() > deadline + last_words)) return done();
        } while (!done());
        return true;
    }

    // The worker is gone, and with it what makes the beacon shine.
    void detach() noexcept {
        if (!is_attached_) return;
        is_attached_ = is_armed_ = false;
        hooks_.beacon->remove(members_);
        hooks_.beacon->listen(Milliseconds(0));
    }

    mutable std::mutex mutex_;  // for everything below, and the book
    std::condition_variable changed_;
    bool reading_ = false;
    bool closed_ = false;

private:
    // What waits for room, as far as there is room.
    void send_waiting() {
        send_queued();
        if (!owing_.empty() && !closed_) grant_credit();
        if (!closed_) send_outgoing();
    }

    void read_some(Lock& lock) {
        if (hooks_.beacon->is_open()) hooks_.beacon->rest();
        const Arming arming(*this);
        for (int count = 0; count < most_at_once; ++count) {
            send_waiting();
            if (reading_ || closed_ || broken_ || !read(lock, Milliseconds(0))) return;
        }
    }

    // Arms the beacon in the end, if nobody reads then. REQUIRES: the lock, in the end, too.
    class Arming {
    public:
        explicit Arming(Turns& turns) : turns_(turns) {}
        ~Arming() {
            if (turns_.broken_) turns_.detach();
            if (turns_.is_attached_ && !turns_.is_armed_ && !turns_.reading_) turns_.arm();
        }
        Arming(const Arming&) = delete;
        Arming& operator=(const Arming&) = delete;

    private:
        Turns& turns_;
    };

    // Nobody reads: the worker rings, and the beacon shows it. An idle worker needs no timer.
    void arm() noexcept {
        is_armed_ = true;
        const bool expects = connection_.state() == State::busy || connection_.state() == State::starting;
        hooks_.beacon->listen(expects ? transport_.longest_sleep() : Milliseconds(0));
        if (!transport_.begin_sleep()) hooks_.beacon->wake();
    }
    void disarm() noexcept {
        is_armed_ = false;
        hooks_.beacon->ignore_members();
        transport_.end_sleep();
    }

    // Marks this thread as the one in the transport, and releases the lock. Undone on return, even by an exception.
    class Reading {
    public:
        Reading(Turns& turns, Lock& lock) : turns_(turns), lock_(lock) {
            turns_.reading_ = true;
            lock_.unlock();
        }
        ~Reading() {
            lock_.lock();
            turns_.reading_ = false;
            turns_.changed_.notify_all();
        }
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;

    private:
        Turns& turns_;
        Lock& lock_;
    };

    // Reads one arrival. False if nothing came.
    bool read(Lock& lock, Milliseconds timeout) {
        if (is_armed_) disarm();
        std::optional<Arrival> arrival;
        bool gone = false;
        {
            const Reading reading(*this, lock);
            arrival = reaching_worker([&] { return transport_.receive(timeout); });
            if (!arrival && hooks_.has_exited()) {
                arrival = reaching_worker(
                    [&] { return transport_.receive(Milliseconds(0)); });  // what it sent before it died
                gone = !arrival;
            }
        }
        if (arrival) {
            deliver(std::move(*arrival));
            transport_.forget_taken();
        }
        if (gone) {
            lose();
            detach();
        }
        return arrival.has_value();
    }

    // How long to keep reading from a worker that never stops talking, once the timeout has passed.
    static constexpr Milliseconds last_words{500};
    // How much a dispatch takes in, so that others in its loop get their turn.
    static constexpr int most_at_once = 64;

    bool is_attached_ = false;         // whether the beacon has the members
    bool is_armed_ = false;            // whether it shows what comes
    std::vector<WaitHandle> members_;  // that become ready when something comes
};

}  // namespace tr::detail
