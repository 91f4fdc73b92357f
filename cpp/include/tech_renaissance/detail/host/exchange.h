// The exchange of one worker's life: calls go in, replies come out, from any number of threads.
//
// The waiting threads do the reading; there is no thread of our own. The first thread that waits for anything becomes
// the reader, gives everything that arrives to the call it belongs to, and wakes the others; when it has what it
// wanted, another becomes the reader. So a reply reaches a single waiting thread without a thread switch.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

// How an exchange asks and notifies its worker. All but the first two may be empty.
struct ExchangeHooks {
    // Whether the process has ended.
    std::function<bool()> has_exited;
    // Returns the error that says why the process has ended or the worker has left; starting: it had never been ready.
    // Waits up to `timeout` for the end; under the lock, that is 0.
    std::function<std::exception_ptr(bool starting, std::chrono::milliseconds timeout)> death;
    // Is told which call the output belongs to, by its message, empty between calls. If set, only one request is under
    // way at a time.
    std::function<void(const std::string& message)> switch_output;
    // Holds up senders while too much output has not been passed on.
    std::function<void(std::chrono::milliseconds timeout)> wait_for_room;
    // Whether calls that had not begun, and idempotent ones, outlive this worker. take_unanswered() returns them.
    std::function<bool()> hands_over;
};

// Thread-safe. Timeouts count from the call; zero takes in what has already come.
class Exchange {
public:
    using Milliseconds = std::chrono::milliseconds;
    using Id = Connection::Id;

    // work is kept up to date with what the worker is doing.
    Exchange(HostTransport& transport, WorkRecord& work, ExchangeHooks hooks)
        : transport_(transport), work_(work), hooks_(std::move(hooks)) {}

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

    // These two take no lock, for callers that must not wait.
    bool was_ready() const noexcept { return was_ready_; }
    bool was_asked_to_leave() const noexcept { return asked_to_leave_; }

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

    // Hands a call to the worker, waiting for room; false if there was none. Throws what ended the worker.
    bool send(const CallPtr& call, Milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (hooks_.wait_for_room) hooks_.wait_for_room(timeout);
        return until_served([&] { return try_send(call); }, deadline);
    }

    // Waits until the call is done, or no longer belongs to this exchange; false after the timeout. The exchange keeps
    // the call: abandon it, or wait again. A call whose deadline passes before its turn is done at that moment.
    bool wait(const CallPtr& call, Milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        if (call->deadline && *call->deadline < deadline) {
            if (wait_over(call, *call->deadline) || expire(call)) return true;
        }
        return wait_over(call, deadline);
    }

    // The call that the worker has begun, and since when; if it has begun none, the oldest, whose turn it is.
    std::optional<InWork> in_work() {
        take_in();
        const std::deque<InWork> calls = work_.calls();
        if (calls.empty()) return std::nullopt;
        const std::vector<InWork> begun = only_begun(calls, transport_.begun(ids_of(calls)));
        return begun.empty() ? calls.front() : begun.front();
    }

    // Ends a call whose deadline has passed before its turn; false if that is not so, or it is in work. True also if it
    // is done, or no longer belongs to this exchange.
    bool expire(const CallPtr& call) {
        if (!call->is_overdue()) {
            take_in();
            return is_over(*call);
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

    // Whether the last request that the worker refused to begin, because it was over by then, was this one.
    bool was_refused(Id id) const noexcept { return last_refused_ == id; }

    // Fails a call that its host has ended.
    void fail(Call& call, std::exception_ptr error) {
        const Lock lock(mutex_);
        call.fail(std::move(error));
        changed_.notify_all();
        if (reading_) transport_.wake();
    }

    // Takes the calls to be handed over, oldest first.
    std::vector<CallPtr> take_unanswered() {
        const Lock lock(mutex_);
        return std::exchange(unanswered_, {});
    }

    // Waits until every call is answered; false after the timeout. Throws what ended the worker.
    bool wait_idle(Milliseconds timeout) {
        return until_served(
            [this] {
                if (connection_.state() == State::busy) return false;
                check_usable();
                return true;
            },
            deadline_after(timeout));
    }

    // Nobody waits for this call any longer: its response will be discarded, and it is not handed over.
    void abandon(const CallPtr& call) {
        const Lock lock(mutex_);
        calls_.erase(*call->request.id);
        unanswered_.erase(std::remove(unanswered_.begin(), unanswered_.end(), call), unanswered_.end());
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

    // The worker has ended: fails every waiting call, and makes sure that no thread is in the transport.
    void close() {
        Lock lock(mutex_);
        closed_ = true;
        lose();
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

    // Turns a failure of the transport itself into an error.
    template <class Action>
    static auto reaching_worker(Action action) {
        try {
            return action();
        } catch (const std::system_error& error) {
            throw WorkerLost("worker_lost", std::string("the worker cannot be reached: ") + error.what());
        }
    }

    bool try_send(const CallPtr& call) {
        check_usable();
        if (hooks_.switch_output) {
            if (connection_.state() == State::busy) return false;
            hooks_.switch_output(message_of(call->request));
        }
        // Notes everything before the worker can get the request, because it may answer or die at once, and because
        // nothing may fail afterwards.
        WorkRecord::Entry entry(work_, call);
        Sending sending(*this, call);
        if (!try_hand_over(call->request)) {
            if (hooks_.switch_output) hooks_.switch_output("");
            return false;
        }
        entry.keep();
        sending.keep();
        return true;
    }

    // Notes a call as sent, and forgets it again unless it is kept.
    class Sending {
    public:
        Sending(Exchange& exchange, const CallPtr& call) : exchange_(exchange), call_(call) {
            const Id id = *call->request.id;
            exchange.calls_[id] = call;
            try {
                exchange.connection_.sent_request(id);
            } catch (...) {
                exchange.calls_.erase(id);
                throw;
            }
            call->exchange = &exchange;
        }
        ~Sending() {
            if (kept_) return;
            exchange_.connection_.unsent_request();
            exchange_.calls_.erase(*call_->request.id);
            call_->exchange = nullptr;
        }
        Sending(const Sending&) = delete;
        Sending& operator=(const Sending&) = delete;

        void keep() noexcept { kept_ = true; }

    private:
        Exchange& exchange_;
        const CallPtr& call_;
        bool kept_ = false;
    };

    // Whether there is nothing more to wait for here.
    bool is_over(const Call& call) const { return call.exchange != this || call.done(); }

    bool wait_over(const CallPtr& call, Clock::time_point deadline) {
        if (until([&] { return is_over(*call); }, left_until(deadline))) return true;
        // Whoever ends a call settles it, even if nothing more can be received.
        Lock lock(mutex_);
        if (closed_ || broken_) changed_.wait_until(lock, deadline, [&] { return is_over(*call); });
        return is_over(*call);
    }

    bool is_in_work_now(Id id) {
        const Lock lock(mutex_);
        return is_in_work(id);
    }

    // Whether the worker has begun a request; or if it has begun none, whether it is the request's turn.
    bool is_in_work(Id id) {
        const auto& waiting = connection_.waiting();
        const std::vector<Begun> begun = transport_.begun({waiting.begin(), waiting.end()});
        if (begun.empty()) return !waiting.empty() && waiting.front() == id;
        return std::any_of(begun.begin(), begun.end(), [id](const Begun& one) { return one.id == id; });
    }

    bool try_ask_to_leave() {
        const State before = connection_.state();
        if ((before == State::ready || before == State::busy) && try_hand_over({"exit", "", {}, Dialect::Long})) {
            connection_.sent_exit();
            asked_to_leave_ = true;
            work_.set_leaving();
        }
        const State state = connection_.state();
        return state == State::exiting || state == State::exited || state == State::lost;
    }

    bool try_hand_over(const Request& request) {
        return reaching_worker([&] { return transport_.try_send(request); });
    }

    void check_usable() const {
        if (asked_to_leave_) {
            throw SessionClosed("session_closed", "the worker was asked to exit: start the session again");
        }
        if (broken_) std::rethrow_exception(broken_);
        const State state = connection_.state();
        if (state == State::lost || state == State::exited) throw NobodyServes();
    }

    // The worker has died or left.
    struct NobodyServes : std::exception {};

    // Like until, for callers that need the worker. Throws what ended it.
    template <class Done>
    bool until_served(Done done, Clock::time_point deadline) {
        try {
            return until(done, left_until(deadline));
        } catch (const NobodyServes&) {
        }
        std::rethrow_exception(hooks_.death(!was_ready_, left_until(deadline)));
    }

    // Runs the exchange until done(), which is called under the lock; false after the timeout. Does not touch the
    // transport once the exchange is closed, because others use it then, or once it is broken.
    template <class Done>
    bool until(Done done, Milliseconds timeout) {
        Lock lock(mutex_);
        if (done()) return true;
        const Clock::time_point deadline = deadline_after(timeout);
        do {
            if (closed_ || broken_) return false;
            const Milliseconds left = left_until(deadline);
            if (reading_) {
                if (left.count() == 0) return false;
                changed_.wait_until(lock, deadline);
                continue;
            }
            const bool came = read(lock, left);
            if (left.count() == 0 && (!came || Clock::now() > deadline + last_words)) return done();
        } while (!done());
        return true;
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
        if (arrival) dispatch(std::move(*arrival));
        if (gone) lose();
        return arrival.has_value();
    }

    void dispatch(Arrival arrival) {
        try {
            std::visit([this](auto& value) { take(value); }, arrival);
        } catch (const RemoteProtocolError& error) {
            fail_all([&error] { return std::make_exception_ptr(error); });
        }
    }

    void take(Ready&) {
        connection_.received_ready();
        was_ready_ = true;
        work_.set_ready();
    }
    void take(Exiting&) { connection_.received_exiting(); }
    void take(Reply& reply) {
        const CallPtr call = take_response(reply.response.id);
        last_failed_ = reply.response.error.has_value();
        if (is_refusal(reply.response)) last_refused_ = *reply.response.id;
        if (!call) return;
        // An answer after the deadline counts as one after the first step, even if we have not taken that step yet.
        if (call->is_overdue()) return call->fail(ended_call(call->request, EndReason::deadline, late(reply.response)));
        if (reply.response.command.empty()) reply.response.command = call->request.command;
        call->answer(std::move(reply));
    }
    // Fails the call whose answer this is; or nothing more will come.
    void take(Unreadable& unreadable) {
        if (unreadable.error.code() == broken_ring) {
            broken_ = std::make_exception_ptr(unreadable.error);
            connection_.lost();
            throw RemoteProtocolError(unreadable.error.code(), unreadable.error.what());
        }
        const CallPtr call = take_response(connection_.whose(unreadable.id));
        last_failed_ = true;
        if (call) call->fail(std::make_exception_ptr(unreadable.error));
    }

    // How a call ended that was answered after its deadline.
    static CallEnd late(const Response& response) { return {is_refusal(response) ? "queue" : "notice", "", nullptr}; }

    // Whether the worker did not begin the request, because it was over by then.
    static bool is_refusal(const Response& response) {
        return response.error && response.error->code == "cancelled" && response.error->type.empty();
    }

    // The call that a response belongs to; null if nobody waits for it.
    CallPtr take_response(std::optional<Id> id) {
        connection_.received_response(id);
        work_.answered(*id);
        if (hooks_.switch_output) hooks_.switch_output("");
        return ending_ ? nullptr : forget(*id);  // the call ends with its worker
    }

    CallPtr forget(Id id) {
        const auto found = calls_.find(id);
        if (found == calls_.end()) return nullptr;
        CallPtr call = std::move(found->second);
        calls_.erase(found);
        return call;
    }

    // Each call gets an error object of its own, so that threads that handle theirs share nothing.
    template <class MakeError>
    void fail_all(MakeError make_error) {
        for (const auto& [id, call] : calls_) call->fail(make_error());
        calls_.clear();
    }

    void lose() {
        if (hooks_.hands_over && hooks_.hands_over()) hand_over();
        connection_.lost();
        fail_all([this] { return hooks_.death(!was_ready_, Milliseconds(0)); });
        changed_.notify_all();
    }

    void hand_over() {
        const auto& waiting = connection_.waiting();
        const std::vector<Begun> begun = transport_.begun({waiting.begin(), waiting.end()});
        for (const Id id : waiting) {
            const auto found = calls_.find(id);
            if (found == calls_.end() || found->second->abandoned) continue;
            const bool has_begun =
                std::any_of(begun.begin(), begun.end(), [id](const Begun& one) { return one.id == id; });
            if (has_begun && !found->second->idempotent) continue;
            found->second->exchange = nullptr;
            unanswered_.push_back(std::move(found->second));
            calls_.erase(found);
        }
    }

    // How long to keep reading from a worker that never stops talking, once the timeout has passed.
    static constexpr Milliseconds last_words{500};

    HostTransport& transport_;
    WorkRecord& work_;
    ExchangeHooks hooks_;
    mutable std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    Connection connection_;
    std::map<Id, CallPtr> calls_;  // under way, with someone waiting
    std::vector<CallPtr> unanswered_;
    std::exception_ptr broken_;  // why nothing more can be received; null if it can
    bool reading_ = false;
    bool ending_ = false;
    bool closed_ = false;
    std::atomic<bool> asked_to_leave_{false};
    std::atomic<bool> was_ready_{false};
    bool last_failed_ = false;
    std::atomic<Id> last_refused_{0};
};

}  // namespace tr::detail
