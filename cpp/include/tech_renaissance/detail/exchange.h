// The exchange of one worker's life: calls go in, replies come out, from any number of threads.
//
// Who waits reads. There is no thread of our own: the first thread that waits for anything becomes the reader, gives
// everything that arrives to the call it belongs to, and wakes the others; when it has what it wanted, another becomes
// the reader. So a reply reaches a single waiting thread without a switch between threads.
#pragma once

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

#include "tech_renaissance/detail/connection.h"
#include "tech_renaissance/detail/deadline.h"
#include "tech_renaissance/detail/transport.h"

namespace tr::detail {

// One request and what became of it. Belongs to the exchange's lock until done.
struct Call {
    Request request;
    std::optional<Reply> reply;
    std::exception_ptr error;
    bool timed_out = false;

    bool done() const { return reply.has_value() || error != nullptr; }
};

// Thread-safe. Timeouts are milliseconds from the call; zero takes in what is there.
class Exchange {
public:
    using Milliseconds = std::chrono::milliseconds;
    using CallPtr = std::shared_ptr<Call>;
    using Death = std::function<std::exception_ptr(bool starting)>;

    // has_exited: whether the process is gone. death: the error that says why, once it is; starting: it had never been
    // ready.
    Exchange(HostTransport& transport, std::function<bool()> has_exited, Death death)
        : transport_(transport), has_exited_(std::move(has_exited)), death_(std::move(death)) {}

    // The state after taking in what has arrived.
    State state() {
        take_in();
        const Lock lock(mutex_);
        return connection_.state();
    }

    // Whether the call has been answered, after taking in what has arrived.
    bool is_done(const CallPtr& call) {
        take_in();
        const Lock lock(mutex_);
        return call->done();
    }

    bool timed_out(const CallPtr& call) {
        const Lock lock(mutex_);
        return call->timed_out;
    }

    // Whether the last response reported a failure.
    bool last_failed() const {
        const Lock lock(mutex_);
        return last_failed_;
    }

    // Waits until the worker is ready; false if it is not yet. Throws what ended it, if it can serve no more.
    bool wait_started(Milliseconds timeout) {
        return until(
            [this] {
                if (connection_.state() == State::starting) return false;
                check_usable();
                return true;
            },
            timeout);
    }

    // Hands a call to the worker, waiting for room. Throws TimedOut, or what ended the worker.
    void send(const CallPtr& call, Milliseconds timeout) {
        if (until([&] { return try_send(call); }, timeout)) return;
        throw TimedOut(quoted(*call) + " could not be sent within " + seconds(timeout) + ": the worker is busy");
    }

    // The call's reply. Throws TimedOut, or what ended the worker; the call stays known: abandon it, or wait again.
    Reply wait(const CallPtr& call, Milliseconds timeout) {
        if (!until([&] { return call->done(); }, timeout)) {
            const Lock lock(mutex_);
            call->timed_out = true;
            throw TimedOut(quoted(*call) + " was not answered within " + seconds(timeout));
        }
        if (call->error) std::rethrow_exception(call->error);
        return std::move(*call->reply);
    }

    // Waits until every call is answered; false if they are not. Throws what ended the worker.
    bool wait_idle(Milliseconds timeout) {
        return until(
            [this] {
                if (connection_.state() == State::busy) return false;
                check_usable();
                return true;
            },
            timeout);
    }

    // Nobody waits for this call any more: its response will be discarded.
    void abandon(const CallPtr& call) {
        const Lock lock(mutex_);
        calls_.erase(*call->request.id);
    }

    // Asks the worker to leave, waiting for its start and for room; true once it is asked, or gone.
    bool ask_to_leave(Milliseconds timeout) {
        return until([this] { return try_ask_to_leave(); }, timeout);
    }

    // Waits until the worker says that it leaves, or is gone; false if it does not.
    bool wait_left(Milliseconds timeout) {
        return until([this] { return connection_.state() == State::exited || connection_.state() == State::lost; },
                     timeout);
    }

    // The worker is gone: every waiting call fails, and no thread is in the transport any more.
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

    // Gives what has arrived to the calls it belongs to; does not wait.
    void take_in() {
        until([] { return false; }, Milliseconds(0));
    }

    static std::string quoted(const Call& call) { return "'" + call.request.command + "'"; }
    static std::string seconds(Milliseconds timeout) { return std::to_string(timeout.count()) + " ms"; }

    // The mechanism's own failures are the end of what can be said.
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
        if (!try_hand_over(call->request)) return false;
        connection_.sent_request(*call->request.id);
        calls_[*call->request.id] = call;
        return true;
    }

    bool try_ask_to_leave() {
        const State before = connection_.state();
        if ((before == State::ready || before == State::busy) && try_hand_over({"exit", "", {}, Dialect::Long})) {
            connection_.sent_exit();
            asked_to_leave_ = true;
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
        if (state == State::lost || state == State::exited) std::rethrow_exception(death_(!was_ready_));
    }

    // Runs the exchange until done(), which is called under the lock; false after the timeout. Once closed, the
    // transport is another's; once broken, it is of no use.
    template <class Done>
    bool until(Done done, Milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        Lock lock(mutex_);
        while (!done()) {
            if (closed_ || broken_) return false;
            const Milliseconds left = left_until(deadline);
            if (reading_) {
                if (left.count() == 0) return false;
                changed_.wait_until(lock, deadline);
                continue;
            }
            const bool came = read(lock, left);
            if (left.count() == 0 && (!came || Clock::now() > deadline + last_words)) return done();
        }
        return true;
    }

    // Marks this thread as the one that is in the transport, with the lock released; undone however it comes back.
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

    // Is the reader for one arrival. False if nothing came.
    bool read(Lock& lock, Milliseconds timeout) {
        std::optional<Arrival> arrival;
        bool gone = false;
        {
            const Reading reading(*this, lock);
            arrival = reaching_worker([&] { return transport_.receive(timeout); });
            if (!arrival && has_exited_()) {
                arrival = reaching_worker(
                    [&] { return transport_.receive(Milliseconds(0)); });  // what it said before it died
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
        } catch (const RemoteProtocolError&) {
            fail_all(std::current_exception());
        }
    }

    void take(Ready&) {
        connection_.received_ready();
        was_ready_ = true;
    }
    void take(Exiting&) { connection_.received_exiting(); }
    void take(Reply& reply) {
        connection_.received_response(reply.response.id);
        last_failed_ = reply.response.error.has_value();
        const CallPtr call = forget(*reply.response.id);
        if (!call) return;
        if (reply.response.command.empty()) reply.response.command = call->request.command;
        call->reply = std::move(reply);
    }
    // The answer to the oldest call, since answers come in order; or nothing more will come.
    void take(Unreadable& unreadable) {
        if (unreadable.error.code() == broken_ring) {
            broken_ = std::make_exception_ptr(unreadable.error);
            connection_.lost();
            throw RemoteProtocolError(unreadable.error.code(), unreadable.error.what());
        }
        const std::optional<Connection::Id> id = connection_.oldest_request();
        connection_.received_response(id);
        last_failed_ = true;
        if (const CallPtr call = forget(*id)) call->error = std::make_exception_ptr(unreadable.error);
    }

    CallPtr forget(Connection::Id id) {
        const auto found = calls_.find(id);
        if (found == calls_.end()) return nullptr;
        CallPtr call = std::move(found->second);
        calls_.erase(found);
        return call;
    }

    void fail_all(const std::exception_ptr& error) {
        for (const auto& [id, call] : calls_) call->error = error;
        calls_.clear();
    }

    void lose() {
        connection_.lost();
        if (!calls_.empty()) fail_all(death_(!was_ready_));
        changed_.notify_all();
    }

    // A worker that never stops talking is listened to for so long after the time has passed.
    static constexpr Milliseconds last_words{500};

    HostTransport& transport_;
    std::function<bool()> has_exited_;
    Death death_;
    mutable std::mutex mutex_;  // everything below
    std::condition_variable changed_;
    Connection connection_;
    std::map<Connection::Id, CallPtr> calls_;
    std::exception_ptr broken_;  // why nothing can be received any more, if so
    bool reading_ = false;
    bool closed_ = false;
    bool asked_to_leave_ = false;
    bool was_ready_ = false;
    bool last_failed_ = false;
};

}  // namespace tr::detail
