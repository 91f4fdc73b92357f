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
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
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

    bool is_window_full() const { return connection_.waiting().size() >= window_; }

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
        if (call->needs_new_protocol()) check_protocol(call->request);
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
        if (coroutines_) return true;
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

    // What is to be sent beside a request.
    struct Outgoing {
        CallPtr call;  // of an item
        std::variant<Answer, InputItem> frame;
    };

    // Sends that, as far as there is room. What the worker no longer waits for is dropped.
    void send_outgoing() {
        while (!outgoing_.empty()) {
            if (is_expected(outgoing_.front())) {
                const auto send = [this](const auto& frame) { return try_send_beside(frame); };
                if (!reaching_worker([&] { return std::visit(send, outgoing_.front().frame); })) return;
            }
            outgoing_.pop_front();
        }
    }
    bool is_expected(const Outgoing& next) const {
        if (const auto* answer = std::get_if<Answer>(&next.frame)) return connection_.is_asking(answer->id);
        return calls_.count(*next.call->request.id) != 0 && !is_over(*next.call);
    }
    bool try_send_beside(const InputItem& item) { return transport_.try_send_item(item); }
    bool try_send_beside(const Answer& answer) {
        if (!transport_.try_send_answer(answer)) return false;
        connection_.sent_answer(answer.id);
        return true;
    }

    // Tells a handler that nobody will answer it.
    void refuse_ask(Id id, const std::string& name) {
        Answer answer{id};
        answer.result = "error";
        answer.failure = Failure{"cancelled", "nobody waits for the call that asks for '" + name + "'", "", ""};
        outgoing_.push_back({nullptr, std::move(answer)});
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
        if (coroutines_ || !Feed::exists()) return false;
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

    void check_protocol(const Request& request) const {
        if (protocol_ >= protocol_version) return;
        throw RemoteProtocolError("old_protocol", "'" + request.command + "' needs protocol " +
                                                      std::to_string(protocol_version) +
                                                      ", but the worker speaks protocol " + std::to_string(protocol_) +
                                                      ": update its tech-renaissance");
    }

    bool is_usable() const {
        const State state = connection_.state();
        return !asked_to_leave_ && !broken_ && (state == State::ready || state == State::busy);
    }

    static std::exception_ptr left_error() {
        return std::make_exception_ptr(
            SessionClosed("session_closed", "the worker was asked to exit: start the session again"));
    }

    // Gives what came to the call that it belongs to.
    void settle(Arrival arrival) {
        try {
            std::visit([this](auto& value) { take(value); }, arrival);
        } catch (const RemoteProtocolError& error) {
            fail_all([&error] { return std::make_exception_ptr(error); });
        }
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
    std::map<Id, CallPtr> calls_;  // under way, with someone waiting
    std::vector<CallPtr> owing_;   // whose worker is to be told that it may send more items
    std::deque<Outgoing> outgoing_;
    bool has_news_ = false;       // whether a handler has said or asked something since the last dispatch
    std::vector<CallPtr> newsy_;  // whose, if there are dispatches
    std::size_t window_ = widest_window;
    std::int64_t protocol_ = protocol_version;  // that the worker speaks
    bool coroutines_ = false;                   // whether it serves many calls at once
    bool over_ = false;                         // whether the process has ended
    std::exception_ptr broken_;                 // why nothing more can be received; null if it can
    bool ending_ = false;
    std::atomic<bool> asked_to_leave_{false};
    std::atomic<bool> was_ready_{false};
    bool last_failed_ = false;
    std::atomic<Id> last_refused_{0};

private:
    void take(Ready& ready) {
        connection_.received_ready();
        window_ = ready.window;
        protocol_ = ready.protocol;
        coroutines_ = ready.coroutines;
        was_ready_ = true;
        work_.set_ready();
    }
    void take(Exiting&) { connection_.received_exiting(); }
    void take(Item& item) {
        connection_.received_beside(item.id, "Item");
        const auto found = calls_.find(*item.id);
        if (found == calls_.end() || found->second->cancelled || ending_) return;
        const CallPtr call = found->second;
        if (item.error) {
            calls_.erase(found);
            transport_.ask_to_cancel(*item.id);
            return call->fail(item.error);
        }
        if (!call->items || !call->items->add(std::move(item.body))) {
            throw RemoteProtocolError(
                "bad_state", "the worker sent an item to '" + call->request.command + "' for which it had no credit");
        }
    }
    // What a handler says or asks is for whoever waits for the call, or dispatches.
    void take(Told& told) {
        connection_.received_beside(told.id, "Progress");
        const CallPtr call = wanted(*told.id);
        if (!call) return;
        call->begin_talk().say(std::move(told.progress), call->on_progress != nullptr);
        if (call->has_news()) note_news(call);
    }
    void take(Ask& ask) {
        connection_.received_ask(ask.id);
        const CallPtr call = wanted(*ask.id);
        if (!call) return refuse_ask(*ask.id, ask.name);
        call->begin_talk().ask(std::move(ask));
        note_news(call);
    }
    void note_news(const CallPtr& call) {
        has_news_ = true;
        if (!hooks_.beacon || !hooks_.beacon->is_used()) return;
        if (newsy_.empty() || newsy_.back() != call) newsy_.push_back(call);
        hooks_.beacon->wake();
    }
    void take(Granted& granted) {
        connection_.received_beside(granted.id, "Credit");
        const auto found = calls_.find(*granted.id);
        if (found == calls_.end()) return;
        const Call& call = *found->second;
        if (!call.feed) {
            throw RemoteProtocolError("bad_state",
                                      "the worker granted items to '" + call.request.command + "', which has no input");
        }
        call.feed->grant(granted.count);
    }
    // The call with this id, unless nobody wants to hear of it.
    CallPtr wanted(Id id) const {
        const auto found = calls_.find(id);
        return found == calls_.end() || found->second->cancelled || ending_ ? nullptr : found->second;
    }

    void take(Reply& reply) {
        const CallPtr call = take_response(reply.response.id);
        last_failed_ = reply.response.error.has_value();
        if (is_refusal(reply.response)) last_refused_ = *reply.response.id;
        if (!call) return;
        // An answer after the end counts as one after the first step, even if we have not taken that step yet.
        if (call->cancelled) return call->fail(ended_call(call->request, EndReason::cancel, late(reply.response)));
        if (call->is_overdue()) return call->fail(ended_call(call->request, EndReason::deadline, late(reply.response)));
        if (call->stopped && is_refusal(reply.response)) return call->fail(unbegun(*call, EndReason::cancel));
        if (was_left_open(*call, reply.response)) return call->fail(left_error());
        if (reply.response.command.empty()) reply.response.command = call->request.command;
        call->answer(std::move(reply));
    }
    // Whether a worker that leaves has closed a stream of which nobody takes more.
    bool was_left_open(const Call& call, const Response& response) const {
        return asked_to_leave_ && call.items && response.error && response.error->code == "cancelled";
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

    // How a call ended that was answered after it was to end.
    static CallEnd late(const Response& response) { return {is_refusal(response) ? "queue" : "notice", "", nullptr}; }

    // Whether the worker did not begin the request, because it was over by then.
    static bool is_refusal(const Response& response) {
        return response.error && response.error->code == "cancelled" && response.error->type.empty();
    }

    // The call that a response belongs to; null if nobody waits for it.
    CallPtr take_response(std::optional<Id> id) {
        connection_.received_response(id);
        work_.answered(*id);
        CallPtr call = ending_ ? nullptr : forget(*id);  // the call ends with its worker
        tell_whose_output();
        return call;
    }

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
