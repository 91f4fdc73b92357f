// The requests to one worker, and what became of them.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/abilities.h"
#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// What a handler gets whose question has failed.
inline Answer failed_answer(std::int64_t id, Failure failure) {
    Answer answer{id};
    answer.result = "error";
    answer.failure = std::move(failure);
    return answer;
}

// How an exchange asks and notifies its worker. All but the first two may be empty.
struct ExchangeHooks {
    // Whether the process has ended.
    std::function<bool()> has_exited;
    // Returns the error that says why the process has ended or the worker has left; starting: it had never been ready.
    // Waits up to `timeout` for the end; under the lock, that is 0.
    std::function<std::exception_ptr(bool starting, std::chrono::milliseconds timeout)> death;
    // Is told which call the output belongs to, by its message, empty between calls. If set, only one request is under
    // way at a time, but for what spec/life.md, Output by lines, says.
    std::function<void(const std::string& message)> switch_output;
    // Holds up senders while too much output has not been passed on.
    std::function<void(std::chrono::milliseconds timeout)> wait_for_room;
    // The session's, if it has one.
    std::shared_ptr<Beacon> beacon;
    // Whether calls that had not begun, and idempotent ones, outlive this worker, at the front of the queue.
    std::function<bool()> hands_over;
};

// Used by an Exchange, under its lock. Exchange explains the parameters.
class Book {
public:
    using Id = Connection::Id;

    Book(const Book&) = delete;
    Book& operator=(const Book&) = delete;

    // These two take no lock, for callers that must not wait.
    bool was_ready() const noexcept { return was_ready_; }
    bool was_asked_to_leave() const noexcept { return asked_to_leave_; }

    // Whether the last request that the worker refused to begin, because it was over by then, was this one.
    bool was_refused(Id id) const noexcept { return last_refused_ == id; }

protected:
    Book(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open)
        : transport_(transport), work_(work), queue_(queue), hooks_(std::move(hooks)), is_open_(is_open) {}
    ~Book() = default;

    // Turns a failure of the transport itself into an error.
    template <class Action>
    static auto reaching_worker(Action action) {
        try {
            return action();
        } catch (const std::system_error& error) {
            throw WorkerLost("worker_lost", std::string("the worker cannot be reached: ") + error.what());
        }
    }

    bool is_window_full() const { return connection_.waiting().size() >= ready_.window; }

    // Sends what is in line, as far as there is room. mine: whose errors the caller wants.
    void send_queued(const Call* mine = nullptr) {
        if (queue_.seems_empty() || !is_open_ || !is_usable()) return;
        queue_.send([&](const CallPtr& call) {
            try {
                if (!call->is_overdue()) return try_send(call);
                call->fail(expired(*call));
                return true;
            } catch (const TRException&) {
                if (call.get() == mine) throw;
                call->fail(std::current_exception());
                return true;
            }
        });
    }

    // Tells the worker what it may send more, as far as there is room.
    void grant_credit() {
        while (!owing_.empty()) {
            const CallPtr& call = owing_.back();
            const Id id = *call->request.id;
            const std::uint32_t count = calls_.count(id) != 0 ? call->items->grant() : 0;
            if (count != 0 && !reaching_worker([&] { return transport_.try_send_credit(id, count); })) {
                call->items->take_back(count);
                return;
            }
            owing_.pop_back();
        }
    }

    bool try_send(const CallPtr& call) {
        if (call->needs_new_protocol()) check_protocol(call->request, ready_);
        if (is_window_full()) return false;
        if (hooks_.switch_output) {
            if (!may_overlap()) return false;
            hooks_.switch_output(connection_.waiting().empty() ? message_of(call->request) : "");
        }
        if (try_send_noted(call)) return true;
        tell_whose_output();
        return false;
    }

    // Notes everything before the worker can get the request, because it may answer or die at once, and because nothing
    // may fail afterwards.
    bool try_send_noted(const CallPtr& call) {
        call->is_whole = !transport_.can_stream();
        WorkRecord::Entry entry(work_, call);
        Sending sending(*this, call);
        if (!try_hand_over(call->request, call->attachments)) return false;
        entry.keep();
        sending.keep();
        return true;
    }

    // Whether another call may be sent although lines of output belong to calls: not while a handler is at work that
    // serves nobody else.
    bool may_overlap() const {
        if (ready_.coroutines) return true;
        const auto& waiting = connection_.waiting();
        return std::all_of(waiting.begin(), waiting.end(), [this](Id id) {
            const auto found = calls_.find(id);
            return found != calls_.end() && (found->second->items || found->second->feed || connection_.is_asking(id));
        });
    }
    // Lines belong to the only call under way.
    void tell_whose_output() {
        if (!hooks_.switch_output) return;
        const auto& waiting = connection_.waiting();
        const auto found = waiting.size() == 1 ? calls_.find(waiting.front()) : calls_.end();
        hooks_.switch_output(found == calls_.end() ? "" : message_of(found->second->request));
    }

    struct OutgoingItem {
        CallPtr call;
        InputItem item;
    };

    // Sends the answers and items that wait, as far as there is room. What the worker no longer waits for is dropped.
    // pusher: the call whose items the caller sends. ArenaFull if there is no memory for one of them; the items of
    // others are then sent later, as if there were no room.
    void send_outgoing(const Call* pusher = nullptr) {
        while (!answers_.empty()) {
            Answer& answer = answers_.front();
            if (connection_.is_asking(answer.id) && !try_send_answer(answer)) return;
            answers_.pop_front();
        }
        while (!items_.empty()) {
            const OutgoingItem& next = items_.front();
            if (is_expected(next) && !try_send_item(next, pusher)) return;
            items_.pop_front();
        }
    }
    bool is_expected(const OutgoingItem& next) const {
        return calls_.count(*next.call->request.id) != 0 && !is_over(*next.call);
    }
    bool try_send_item(const OutgoingItem& next, const Call* pusher) {
        try {
            return reaching_worker([&] { return transport_.try_send_item(next.item); });
        } catch (const ArenaFull&) {
            if (next.call.get() == pusher) throw;
            return false;
        }
    }
    // An answer for whose text there is no memory becomes an error of the handler.
    bool try_send_answer(Answer& answer) {
        const auto send = [&] { return reaching_worker([&] { return transport_.try_send_answer(answer); }); };
        bool was_sent = false;
        try {
            was_sent = send();
        } catch (const ArenaFull& error) {
            answer = failed_answer(answer.id, {"command_failed", error.what(), "tech_renaissance.ArenaFull", ""});
            was_sent = send();
        }
        if (was_sent) connection_.sent_answer(answer.id);
        return was_sent;
    }

    // Tells a handler that nobody will answer it.
    void refuse_ask(Id id, const std::string& name) {
        answers_.push_back(
            failed_answer(id, {"cancelled", "nobody waits for the call that asks for '" + name + "'", "", ""}));
    }

    // Notes a call as sent, and forgets it again unless it is kept.
    class Sending {
    public:
        Sending(Book& book, const CallPtr& call) : book_(book), call_(call) {
            const Id id = *call->request.id;
            book.calls_[id] = call;
            try {
                book.connection_.sent_request(id);
            } catch (...) {
                book.calls_.erase(id);
                throw;
            }
            call->exchange = &book;
        }
        ~Sending() {
            if (kept_) return;
            book_.connection_.unsent_request();
            book_.calls_.erase(*call_->request.id);
            call_->exchange = nullptr;
        }
        Sending(const Sending&) = delete;
        Sending& operator=(const Sending&) = delete;

        void keep() noexcept { kept_ = true; }

    private:
        Book& book_;
        const CallPtr& call_;
        bool kept_ = false;
    };

    // Whether there is nothing more to wait for here.
    bool is_over(const Call& call) const { return call.exchange != this || call.done(); }

    // Whether the worker has begun a request; or if it has begun none, whether it is the request's turn.
    bool is_in_work(Id id) {
        const auto& waiting = connection_.waiting();
        const std::vector<Begun> begun = transport_.begun({waiting.begin(), waiting.end()});
        if (begun.empty()) return !waiting.empty() && waiting.front() == id;
        return std::any_of(begun.begin(), begun.end(), [id](const Begun& one) { return one.id == id; });
    }

    // Whether this thread is to give the worker values before that serves this call, or with null, any other.
    bool owes_values_before(const Call* call) const {
        if (ready_.coroutines || !Feed::exists()) return false;
        for (const auto& [id, earlier] : calls_) {
            if (call != nullptr && !call->items && id >= *call->request.id) return false;
            if (earlier.get() == call || !earlier->feed || earlier->cancelled) continue;
            if (earlier->feed->is_held_here()) return true;
        }
        return false;
    }

    bool try_hand_over(const Request& request, const std::vector<PlacedAttachment>& attachments) {
        return reaching_worker([&] { return transport_.try_send(request, attachments); });
    }

    bool is_usable() const {
        const State state = connection_.state();
        return !asked_to_leave_ && !broken_ && (state == State::ready || state == State::busy);
    }

    static std::exception_ptr left_error() {
        return std::make_exception_ptr(
            SessionClosed("session_closed", "the worker was asked to exit: start the session again"));
    }

    // A call that its host is ending, and how far that has come.
    struct BeingEnded {
        CallPtr call;
        EndReason why;
        CallEnd so_far;
    };

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

    // The process has ended.
    void lose() {
        over_ = true;
        const bool hands_over = hooks_.hands_over && hooks_.hands_over();
        queue_.inherit(hands_over ? take_unbegun() : std::vector<CallPtr>());
        connection_.lost();
        const auto death = [this] { return hooks_.death(!was_ready_, std::chrono::milliseconds(0)); };
        fail_all(death);
        if (is_open_ && !hands_over) queue_.fail([&](const Call&) { return death(); });
    }

    HostTransport& transport_;
    WorkRecord& work_;
    CallQueue& queue_;
    ExchangeHooks hooks_;
    std::atomic<bool> is_open_;
    Connection connection_;
    std::map<Id, CallPtr> calls_;    // under way, with someone waiting
    std::map<Id, BeingEnded> ends_;  // under way, and to be ended by their answers
    std::vector<CallPtr> owing_;     // whose worker is to be told that it may send more items
    std::deque<Answer> answers_;
    std::deque<OutgoingItem> items_;  // of inputs
    bool has_news_ = false;           // whether a handler has said or asked something since the last dispatch
    std::vector<CallPtr> newsy_;      // whose, if there are dispatches
    Ready ready_;                     // what the worker has said about itself
    bool over_ = false;               // whether the process has ended
    std::exception_ptr broken_;       // why nothing more can be received; null if it can
    bool ending_ = false;
    std::atomic<bool> asked_to_leave_{false};
    std::atomic<bool> was_ready_{false};
    bool last_failed_ = false;
    std::atomic<Id> last_refused_{0};

private:
    // The calls that the worker had not begun, and idempotent ones.
    std::vector<CallPtr> take_unbegun() {
        std::vector<CallPtr> unbegun;
        const auto& waiting = connection_.waiting();
        const std::vector<Begun> begun = transport_.begun({waiting.begin(), waiting.end()});
        for (const Id id : waiting) {
            const auto found = calls_.find(id);
            if (found == calls_.end() || found->second->abandoned || found->second->cancelled) continue;
            if (found->second->stopped || found->second->was_partly_served()) continue;
            const bool has_begun =
                std::any_of(begun.begin(), begun.end(), [id](const Begun& one) { return one.id == id; });
            if (has_begun && !found->second->idempotent) continue;
            if (found->second->items && !found->second->items->restart()) continue;
            if (Talk* const talk = found->second->talk()) talk->forget_ask();
            found->second->exchange = nullptr;
            unbegun.push_back(std::move(found->second));
            calls_.erase(found);
        }
        return unbegun;
    }
};

}  // namespace tr::detail
