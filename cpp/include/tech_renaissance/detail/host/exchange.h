// The exchange of one worker's life: calls go in, replies come out, from any number of threads.
//
// The waiting threads do the reading; there is no thread of our own. The first thread that waits for anything becomes
// the reader, gives everything that arrives to the call it belongs to, and wakes the others; when it has what it
// wanted, another becomes the reader. So a reply reaches a single waiting thread without a thread switch.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/book.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

// Thread-safe. Timeouts count from the call; zero takes in what has already come.
class Exchange final : public Book {
public:
    using Milliseconds = std::chrono::milliseconds;

    // work is kept up to date with what the worker is doing. queue: of the session; nothing in it is sent, or fails,
    // before the exchange is open.
    Exchange(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open = true)
        : Book(transport, work, queue, std::move(hooks), is_open) {}

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

    // Waits until the worker is ready; false if it is not ready in time. Throws what ended it, if it can no longer
    // serve.
    bool wait_started(Milliseconds timeout) {
        return until_served(
            [this] {
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
            if (wait_over(call, *call->deadline) || expire(call)) return true;
        }
        return wait_over(call, deadline);
    }

    // Whether the worker serves others while a handler waits for something.
    bool has_coroutines() const {
        const Lock lock(mutex_);
        return coroutines_;
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
        outgoing_.push_back({nullptr, std::move(answer)});
        send_outgoing();
    }

    // Sends a value of the input of a call, or its end, which needs no credit; false if the worker takes none at the
    // moment, or the call is over.
    bool send_item(const CallPtr& call, const InputItem& item) {
        const Lock lock(mutex_);
        if (is_over(*call) || closed_ || (!item.is_last && !call->feed->has_credit())) return false;
        item.is_last ? call->feed->end() : call->feed->take_credit();
        outgoing_.push_back({call, item});
        send_outgoing();
        return true;
    }

    // Asks a call that was sent to finish early. If the worker has not begun it, it is over.
    void stop(const CallPtr& call) {
        const Id id = *call->request.id;
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.count(id) == 0 || call->cancelled) return;
        call->stopped = true;
        transport_.ask_to_stop(id);
        end_listed(*call);
    }

    // Gives a call up for good, without doing anything else to the worker; its answer is this error. False if it is
    // over.
    bool give_up(const CallPtr& call, std::exception_ptr error) {
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.erase(*call->request.id) == 0) return false;
        transport_.give_up(*call->request.id);
        end(*call, std::move(error));
        return true;
    }

    // Nobody wants more of a call that streams or has an input: it is given up, and nothing else is done to the worker.
    void close_stream(const CallPtr& call) {
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.erase(*call->request.id) == 0) return;
        transport_.give_up(*call->request.id);
    }

    // The call that the worker has begun, and since when; if it has begun none, the oldest, whose turn it is. Of
    // several the oldest; if avoid_resting, one that does not rest, if there is any.
    std::optional<InWork> in_work(bool avoid_resting = false) {
        take_in();
        const std::deque<InWork> calls = work_.calls();
        if (calls.empty()) return std::nullopt;
        const std::vector<InWork> begun = only_begun(calls, transport_.begun(ids_of(calls)));
        for (const InWork& one : begun) {
            if (!(avoid_resting && one.rests)) return one;
        }
        return begun.empty() ? calls.front() : begun.front();
    }

    // Ends a call whose deadline has passed before its turn; false if that is not so, or it is in work. True also if it
    // is done, or no longer belongs to this exchange.
    bool expire(const CallPtr& call) {
        if (!call->is_overdue()) {
            take_in();
            return is_over(*call);
        }
        if (queue_.end(*call, expired(*call))) {
            const Lock lock(mutex_);
            changed_.notify_all();
            return true;
        }
        const Id id = *call->request.id;
        const bool was_in_work = is_in_work_now(id);
        take_in();  // afterwards, because a call that is no longer in work has its answer here
        const Lock lock(mutex_);
        if (is_over(*call)) return true;
        if (was_in_work || calls_.count(id) == 0) return false;
        calls_.erase(id);
        call->fail(expired(*call));
        return true;
    }

    // Ends a call that the worker has not begun, and tells the worker; false if it is in work. True also if it is done,
    // or no longer belongs to this exchange.
    bool give_up(const CallPtr& call) {
        const Id id = *call->request.id;
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.count(id) == 0) return true;
        try {
            transport_.give_up(id);
        } catch (const std::system_error&) {  // the ladder does without
            return false;
        }
        return end_listed(*call);
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

    // Something has become of a call in line.
    void wake() {
        const Lock lock(mutex_);
        wake_all();
    }

    // The host is about to end a request in work, whose answer no longer counts. `call` becomes its call, to be failed
    // when that is done; null if nobody waits for it. False if the request is over, or not in work.
    bool begin_end(Id id, CallPtr& call) {
        const Lock lock(mutex_);
        if (closed_ || !is_in_work(id)) return false;
        call = forget(id);
        return true;
    }

    // Waits until a request has a response, or will never get one; false if it is still under way.
    bool wait_over(Id id, Milliseconds timeout) {
        return until([&] { return !connection_.is_waiting(id); }, timeout);
    }

    // Fails a call that its host has ended.
    void fail(Call& call, std::exception_ptr error) {
        const Lock lock(mutex_);
        end(call, std::move(error));
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
        if (!queue_.seems_empty()) check_may_wait();
        return until_served(
            [this] {
                check_usable();
                return queue_.empty();
            },
            deadline_after(timeout));
    }

    // Nobody waits for this call any longer: its response will be discarded, and its handler gets no more answers.
    void abandon(const CallPtr& call) {
        const Lock lock(mutex_);
        if (calls_.erase(*call->request.id) == 0 || call->talk() == nullptr) return;
        if (const std::optional<Ask> ask = call->talk()->take_ask()) refuse_ask(*ask->id, ask->name);
        if (!closed_) send_outgoing();
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

    // Throws LocalProtocolError would_wait_for_itself if the worker waits for this thread: in a function that it has
    // asked for, or while an input is open.
    void check_may_wait() const {
        Callback::check_may_wait(hooks_.beacon.get());
        const Lock lock(mutex_);
        if (owes_values_before(nullptr)) throw_owes_values();
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

    // The worker has ended: fails every waiting call, and makes sure that no thread is in the transport.
    void close() {
        Lock lock(mutex_);
        closed_ = true;
        lose();
        detach();
        changed_.notify_all();
        while (reading_) {
            transport_.wake();
            changed_.wait_for(lock, Milliseconds(100));
        }
    }

private:
    using Lock = std::unique_lock<std::mutex>;

    // Gives what has arrived to the calls it belongs to. Does not wait.
    void take_in() {
        until([] { return false; }, Milliseconds(0));
    }

    void end(Call& call, std::exception_ptr error) {
        call.fail(std::move(error));
        wake_all();
    }

    // Ends a call that has just been listed as given up, or to be stopped, unless it is in work; false then.
    bool end_listed(Call& call) {
        // The worker stores what it begins before it looks at the list.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const Id id = *call.request.id;
        if (is_in_work(id)) return false;
        calls_.erase(id);
        end(call, unbegun(call, EndReason::cancel));
        return true;
    }

    void wake_all() {
        changed_.notify_all();
        if (reading_) transport_.wake();
    }

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

    bool is_in_work_now(Id id) {
        const Lock lock(mutex_);
        return is_in_work(id);
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
                if (waits_for_itself) throw_owes_values();
                changed_.wait_until(lock, deadline);
                continue;
            }
            const bool came = read(lock, waits_for_itself ? Milliseconds(0) : left);
            if (waits_for_itself && !came && owes_values_before(call)) throw_owes_values();
            if (left.count() == 0 && (!came || Clock::now() > deadline + last_words)) return done();
        } while (!done());
        return true;
    }

    [[noreturn]] static void throw_owes_values() {
        Callback::throw_waits_for_itself(
            "the input that this thread has opened, and serves nobody else before its end: finish that first");
    }

    // What waits for room, as far as there is room.
    void send_waiting() {
        send_queued();
        if (!owing_.empty() && !closed_) grant_credit();
        if (!outgoing_.empty() && !closed_) send_outgoing();
    }

    void read_some(Lock& lock) {
        if (!is_armed_ && hooks_.beacon->is_open()) hooks_.beacon->rest();
        const Arming arming(*this);
        for (int count = 0; count < most_at_once; ++count) {
            send_waiting();
            if (reading_ || closed_ || broken_ || !read(lock, Milliseconds(0))) return;
        }
    }

    // Arms the beacon in the end, if nobody reads then. REQUIRES: the lock, in the end, too.
    class Arming {
    public:
        explicit Arming(Exchange& exchange) : exchange_(exchange) {}
        ~Arming() {
            if (exchange_.broken_) exchange_.detach();
            if (exchange_.is_attached_ && !exchange_.is_armed_ && !exchange_.reading_) exchange_.arm();
        }
        Arming(const Arming&) = delete;
        Arming& operator=(const Arming&) = delete;

    private:
        Exchange& exchange_;
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
        hooks_.beacon->rest();
        transport_.end_sleep();
    }
    // The worker is gone, and with it what makes the beacon shine.
    void detach() noexcept {
        if (!is_attached_) return;
        is_attached_ = is_armed_ = false;
        hooks_.beacon->remove(members_);
        hooks_.beacon->listen(Milliseconds(0));
    }

    // Marks this thread as the one in the transport, and releases the lock. Undone on return, even by an exception.
    class Reading {
    public:
        Reading(Exchange& exchange, Lock& lock) : exchange_(exchange), lock_(lock) {
            exchange_.reading_ = true;
            lock_.unlock();
        }
        ~Reading() {
            lock_.lock();
            exchange_.reading_ = false;
            exchange_.changed_.notify_all();
        }
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;

    private:
        Exchange& exchange_;
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
        if (arrival) settle(std::move(*arrival));
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

    mutable std::mutex mutex_;  // for everything below, and the book
    std::condition_variable changed_;
    bool reading_ = false;
    bool closed_ = false;
    bool is_attached_ = false;         // whether the beacon has the members
    bool is_armed_ = false;            // whether it shows what comes
    std::vector<WaitHandle> members_;  // that become ready when something comes
};

}  // namespace tr::detail
