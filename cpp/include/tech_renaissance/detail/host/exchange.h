// The exchange of one worker's life: calls go in, replies come out, from any number of threads.
// turns.h says who reads.
#pragma once

#include <cstddef>
#include <exception>
#include <utility>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/withdrawals.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

// Thread-safe. Timeouts count from the call; zero takes in what has already come.
class Exchange final : public Withdrawals {
public:
    // work is kept up to date with what the worker is doing. queue: of the session; nothing in it is sent, or fails,
    // before the exchange is open.
    Exchange(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open = true)
        : Withdrawals(transport, work, queue, std::move(hooks), is_open) {}

    // The state after taking in what has arrived.
    State state() {
        take_in();
        const Lock lock(mutex_);
        return connection_.state();
    }

    // Whether the call is done, after taking in what has arrived.
    bool is_done(const CallPtr& call) {
        expire(call);
        return call->done();
    }

    // Whether the last response reported a failure.
    bool last_failed() const {
        const Lock lock(mutex_);
        return last_failed_;
    }

    // Waits until the worker is ready, or the call that waits for that is done; false if neither comes in time. Throws
    // what ended the worker, if it can no longer serve.
    bool wait_started(Milliseconds timeout, const Call* call = nullptr) {
        return until_served(
            [this, call] {
                if (call != nullptr && call->done()) return true;
                if (connection_.state() == State::starting) return false;
                check_usable();
                return true;
            },
            deadline_after(timeout));
    }

    // From now on calls are taken from the queue.
    void open() {
        is_open_ = true;
        until([] { return true; }, Milliseconds(0));
    }

    // Hands a call to the worker in its turn, waiting for room; false if there was none. True also if as many calls are
    // under way as may be, or the call may stay in line: whoever waits for anything sends it in its turn. Throws what
    // ended the worker; the call then stays in line.
    bool send(const CallPtr& call, Milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (hooks_.wait_for_room) hooks_.wait_for_room(timeout);
        return until_served([&] { return is_open_ ? try_send_in_turn(call) : try_send_past_queue(call); }, deadline,
                            call.get());
    }

    // Waits until a call in line has been sent, or is done, or the worker has ended; false after the timeout.
    bool wait_sent(const CallPtr& call, Milliseconds timeout) {
        return until([&] { return call->exchange != nullptr || call->done() || over_; }, timeout, call.get());
    }

    // Waits until the call is done, has something for whoever waits, or no longer belongs to this exchange; false after
    // the timeout. The exchange keeps the call: abandon it, or wait again. A call whose deadline passes before its turn
    // is done at that moment.
    bool wait(const CallPtr& call, Milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (call->deadline && *call->deadline < deadline) {
            if (wait_over(call, *call->deadline)) return true;
            expire(call);
        }
        return wait_over(call, deadline);
    }

    // Whether the worker serves others while a handler waits for something.
    bool has_coroutines() const {
        const Lock lock(mutex_);
        return ready_.coroutines;
    }

    // How many calls a worker with coroutines has in work at most: spec/protocol.md, Async commands.
    static constexpr std::size_t most_in_work = 63;

    // Whether a worker with coroutines has as many calls in work as it takes.
    bool is_full() {
        const Lock lock(mutex_);
        const auto& waiting = connection_.waiting();
        return ready_.coroutines && transport_.begun({waiting.begin(), waiting.end()}).size() >= most_in_work;
    }

    // Items of a call were taken, so that the worker may send more.
    void send_credit(const CallPtr& call) {
        const Lock lock(mutex_);
        if (is_over(*call)) return;
        owing_.push_back(call);
        grant_credit();
    }

    // Answers what a handler has asked. Dropped if that no longer waits.
    void send_answer(Answer answer) {
        const Lock lock(mutex_);
        if (closed_) return;
        answers_.push_back(std::move(answer));
        send_outgoing();
    }

    // The next value of the input of a call is about to be taken from the program; false if it must not be, because the
    // worker takes none at the moment, or the call is over, or goes to another worker. From then on it goes to no
    // other.
    bool begin_item(const CallPtr& call) {
        const Lock lock(mutex_);
        if (is_over(*call) || closed_ || !call->feed->has_credit()) return false;
        call->feed->begin_taking();
        return true;
    }

    // Sends a value of the input of a call, or its end, which needs no credit; false if the worker takes none at the
    // moment, or the call is over. After ArenaFull the value was not sent.
    bool send_item(const CallPtr& call, const InputItem& item) {
        const Lock lock(mutex_);
        if (is_over(*call) || closed_ || (!item.is_last && !call->feed->has_credit())) return false;
        send_outgoing(call.get());
        item.is_last ? call->feed->end() : call->feed->take_credit();
        items_.push_back({call, item});
        try {
            send_outgoing(call.get());
        } catch (const ArenaFull&) {
            items_.pop_back();
            call->feed->return_credit();
            throw;
        }
        return true;
    }

    // Where a call under way is: "sent", "running", or "asking".
    const char* stage_of(const Call& call) {
        const Lock lock(mutex_);
        const Id id = *call.request.id;
        if (connection_.is_asking(id)) return "asking";
        return !is_over(call) && !transport_.begun({id}).empty() ? "running" : "sent";
    }

    // Whether the handler of a call waits for an Answer.
    bool is_asking(const Call& call) const {
        const Lock lock(mutex_);
        return connection_.is_asking(*call.request.id);
    }

    // Waits until a request has a response, or will never get one; false if it is still under way.
    bool wait_over(Id id, Milliseconds timeout) {
        return until([&] { return !connection_.is_waiting(id); }, timeout);
    }

    // Waits until every call is answered; false after the timeout. Throws what ended the worker.
    bool wait_idle(Milliseconds timeout) {
        check_may_wait();
        return until_served(
            [this] {
                if (connection_.state() == State::busy) return false;
                check_usable();
                return queue_.empty();
            },
            deadline_after(timeout));
    }

    // Waits until no call is in line; false after the timeout. Throws what ended the worker.
    bool wait_flushed(Milliseconds timeout) {
        if (timeout.count() > 0 && !queue_.empty()) check_may_wait();
        return until_served(
            [this] {
                check_usable();
                return queue_.empty();
            },
            deadline_after(timeout));
    }

    // Asks the worker to leave, waiting for its start and for room; true once it has been asked, or has ended.
    bool ask_to_leave(Milliseconds timeout) {
        return until([this] { return try_ask_to_leave(); }, timeout);
    }

    // Waits until the worker says that it is leaving, or has ended; false after the timeout.
    bool wait_left(Milliseconds timeout) {
        return until([this] { return connection_.state() == State::exited || connection_.state() == State::lost; },
                     timeout);
    }

    // The host is about to end the worker, whose answers no longer count from now on.
    void begin_end_all() {
        try {
            take_in();
        } catch (const TRException&) {  // nothing more can be received
        }
        const Lock lock(mutex_);
        ending_ = true;
    }

    // The worker has ended: fails every waiting call, and makes sure that no thread is in the transport. It may be
    // called again at any time: after the first time, what is in line waits for another worker.
    void close() {
        Lock lock(mutex_);
        if (!closed_) {
            lose();
            closed_ = true;
            detach();
            changed_.notify_all();
        }
        while (reading_) {
            transport_.wake();
            changed_.wait_for(lock, Milliseconds(100));
        }
    }

private:
    bool try_send_in_turn(const CallPtr& call) {
        if (call->exchange != nullptr) return true;  // sent from the queue
        if (call->done()) call->take();              // throws what it failed with
        check_usable();
        if (queue_.seems_empty() && try_send(call)) return true;
        queue_.add(call);
        send_queued(call.get());
        return call->exchange != nullptr || call->stays_in_line || is_window_full();
    }

    bool try_send_past_queue(const CallPtr& call) {
        check_usable();
        return try_send(call);
    }

    bool wait_over(const CallPtr& call, Clock::time_point deadline) {
        if (until([&] { return is_over(*call) || call->is_of_interest(); }, left_until(deadline), call.get()))
            return true;
        // Whoever ends a call settles it, even if nothing more can be received.
        Lock lock(mutex_);
        if (closed_ || broken_) changed_.wait_until(lock, deadline, [&] { return is_over(*call); });
        return is_over(*call);
    }

    bool try_ask_to_leave() {
        const State before = connection_.state();
        if ((before == State::ready || before == State::busy) && queue_.empty() &&
            try_hand_over({"exit", "", {}, Dialect::Long}, {})) {
            connection_.sent_exit();
            asked_to_leave_ = true;
            work_.set_leaving();
        }
        const State state = connection_.state();
        return state == State::exiting || state == State::exited || state == State::lost;
    }

    void check_usable() const {
        if (asked_to_leave_) std::rethrow_exception(left_error());
        if (broken_) std::rethrow_exception(broken_);
        const State state = connection_.state();
        if (state == State::lost || state == State::exited) throw NobodyServes();
    }

    // The worker has died or left.
    struct NobodyServes : std::exception {};

    // Like until, for callers that need the worker. Throws what ended it.
    template <class Done>
    bool until_served(Done done, Clock::time_point deadline, const Call* call = nullptr) {
        try {
            return until(done, left_until(deadline), call);
        } catch (const NobodyServes&) {
        }
        std::rethrow_exception(hooks_.death(!was_ready_, left_until(deadline)));
    }
};

}  // namespace tr::detail
