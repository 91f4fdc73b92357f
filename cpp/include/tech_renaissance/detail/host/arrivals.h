// What comes from a worker, and how it reaches the call that it belongs to.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/book.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// The part of an Exchange that deals with what has come, under its lock. Exchange explains the parameters.
class Arrivals : public Book {
protected:
    Arrivals(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open)
        : Book(transport, work, queue, std::move(hooks), is_open) {}
    ~Arrivals() = default;

    // Gives what came to the call that it belongs to.
    void deliver(Arrival arrival) {
        try {
            std::visit([this](auto& value) { take(value); }, arrival);
        } catch (const RemoteProtocolError& error) {
            fail_all([&error] { return std::make_exception_ptr(error); });
        }
    }

private:
    void take(Ready& ready) {
        connection_.received_ready();
        ready_ = ready;
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
        call->begin_talk().say(std::move(told.progress), bool(call->on_progress));
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
        const CallPtr call = wanted(*granted.id);
        if (!call) return;
        if (!call->feed) {
            throw RemoteProtocolError(
                "bad_state", "the worker granted items to '" + call->request.command + "', which has no input");
        }
        call->feed->grant(granted.count);
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
        if (!call) return finish_end(*reply.response.id);
        // An answer after the end counts as one after the first step, even if we have not taken that step yet.
        if (call->cancelled) return call->fail(ended_call(call->request, EndReason::cancel, late(reply.response)));
        if (call->is_overdue()) return call->fail(ended_call(call->request, EndReason::deadline, late(reply.response)));
        if (call->stopped && is_refusal(reply.response)) return call->fail(unbegun(*call, EndReason::cancel));
        if (was_left_open(reply.response)) return call->fail(left_open(*call));
        if (reply.response.command.empty()) reply.response.command = call->request.command;
        call->answer(std::move(reply));
    }
    // Whether a worker that leaves has closed the generator of a call, or cancelled its coroutine.
    bool was_left_open(const Response& response) const {
        if (!asked_to_leave_ || !response.error || response.error->code != "cancelled") return false;
        return response.error->type == "GeneratorExit" || response.error->type == "asyncio.CancelledError";
    }

    static std::exception_ptr left_open(const Call& call) {
        const std::string what = call.items ? "closed the stream of" : "cancelled";
        return std::make_exception_ptr(SessionClosed(
            "session_closed", "the worker was asked to exit, and " + what + " '" + call.request.command + "'"));
    }

    // Fails the call whose answer this is; or nothing more will come.
    void take(Unreadable& unreadable) {
        if (unreadable.error.code() == broken_ring) {
            broken_ = std::make_exception_ptr(unreadable.error);
            connection_.lost();
            throw RemoteProtocolError(unreadable.error.code(), unreadable.error.what());
        }
        const std::optional<Id> id = connection_.whose(unreadable.id);
        const CallPtr call = take_response(id);
        last_failed_ = true;
        if (!call) return finish_end(*id);
        call->fail(std::make_exception_ptr(unreadable.error));
    }

    // A request was answered that its host may be ending: whoever waits for it need not wait until the host's next step
    // has been taken, or the stacks before the first one.
    void finish_end(Id id) {
        const auto found = ends_.find(id);
        if (found == ends_.end() || ending_) return;
        auto& [call, why, end] = found->second;
        if (end.step == "notice" && last_refused_ == id) end.step = "queue";
        call->fail(ended_call(call->request, why, end));
        ends_.erase(found);
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
};

}  // namespace tr::detail
