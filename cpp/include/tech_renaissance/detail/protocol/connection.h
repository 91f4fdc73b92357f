// The states of one session: spec/protocol.md. No I/O, no clock, no platform.
//
// Rule 1: everything that decides which frame may come next is in `transitions`.
// Rule 2: the table does not know which side it serves; a Connection only adds who broke the rule.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "tech_renaissance/error.h"

namespace tr::detail {

enum class State { starting, ready, busy, exiting, exited, lost };

// Events are named after frames. last_response is the response to the only waiting request; lost is not a frame: the
// process ended, or the transport broke.
enum class ConnectionEvent { ready, request, response, last_response, exit, exiting, lost };

struct Transition {
    State from;
    ConnectionEvent event;
    State to;
};

inline constexpr Transition transitions[] = {
    {State::starting, ConnectionEvent::ready, State::ready},
    {State::starting, ConnectionEvent::exiting, State::exited},
    {State::starting, ConnectionEvent::lost, State::lost},
    {State::ready, ConnectionEvent::request, State::busy},
    {State::ready, ConnectionEvent::exit, State::exiting},
    {State::ready, ConnectionEvent::exiting, State::exited},
    {State::ready, ConnectionEvent::lost, State::lost},
    {State::busy, ConnectionEvent::request, State::busy},
    {State::busy, ConnectionEvent::response, State::busy},
    {State::busy, ConnectionEvent::last_response, State::ready},
    {State::busy, ConnectionEvent::exit, State::exiting},
    {State::busy, ConnectionEvent::exiting, State::exited},
    {State::busy, ConnectionEvent::lost, State::lost},
    {State::exiting, ConnectionEvent::response, State::exiting},
    {State::exiting, ConnectionEvent::last_response, State::exiting},
    {State::exiting, ConnectionEvent::exiting, State::exited},
    {State::exiting, ConnectionEvent::lost, State::lost},
    {State::exited, ConnectionEvent::lost, State::exited},
    {State::lost, ConnectionEvent::lost, State::lost},
};

inline constexpr const char* name_of(State state) {
    constexpr const char* names[] = {"starting", "ready", "busy", "exiting", "exited", "lost"};
    return names[static_cast<int>(state)];
}

inline constexpr const char* name_of(ConnectionEvent event) {
    constexpr const char* names[] = {"Ready", "Request", "Response", "LastResponse", "Exit", "Exiting", "Lost"};
    return names[static_cast<int>(event)];
}

inline constexpr std::optional<State> state_after(State state, ConnectionEvent event) {
    for (const Transition& transition : transitions) {
        if (transition.from == state && transition.event == event) return transition.to;
    }
    return std::nullopt;
}

// The host's view of a session, as the frames that pass define it. Not thread-safe.
class Connection {
public:
    using Id = std::int64_t;

    State state() const noexcept { return state_; }

    // Ids of all unanswered requests, oldest first.
    const std::deque<Id>& waiting() const noexcept { return waiting_; }

    bool is_waiting(std::optional<Id> id) const { return id && find(*id) != waiting_.end(); }

    // Which request a response that cannot be read belongs to: the one that it names, or else the oldest.
    std::optional<Id> whose(std::optional<Id> id) const {
        if (is_waiting(id)) return id;
        return waiting_.empty() ? std::nullopt : std::optional<Id>(waiting_.front());
    }

    // We send. Throws LocalProtocolError "bad_state" if we may not, and changes nothing then.
    void sent_request(Id id) {
        waiting_.push_back(id);
        try {
            advance<LocalProtocolError>(ConnectionEvent::request, we_send);
        } catch (...) {
            waiting_.pop_back();
            throw;
        }
    }
    // Undoes the last sent_request: it was not sent after all.
    void unsent_request() noexcept {
        waiting_.pop_back();
        if (state_ == State::busy && waiting_.empty()) state_ = State::ready;
    }
    void sent_exit() { advance<LocalProtocolError>(ConnectionEvent::exit, we_send); }

    // The worker sent something. Throws RemoteProtocolError "bad_state" if it may not, and changes nothing then.
    void received_ready() { advance<RemoteProtocolError>(ConnectionEvent::ready, worker_sent); }
    void received_exiting() { advance<RemoteProtocolError>(ConnectionEvent::exiting, worker_sent); }
    void received_response(std::optional<Id> id) {
        if (!is_waiting(id)) {
            const std::string text =
                id ? "a response to request " + std::to_string(*id) + ", which is not waiting for one"
                   : "a response without an id";
            throw RemoteProtocolError("bad_state", worker_sent + text);
        }
        advance<RemoteProtocolError>(waiting_.size() == 1 ? ConnectionEvent::last_response : ConnectionEvent::response,
                                     worker_sent);
        waiting_.erase(find(*id));
        asking_.erase(*id);
    }

    // What passes only while its request is unanswered, and changes no state. kind: its name, for the error.
    void received_beside(std::optional<Id> id, const char* kind) const {
        if (!is_waiting(id)) throw_beside<RemoteProtocolError>(worker_sent, kind, id, no_answer_due);
    }
    void sent_beside(std::optional<Id> id, const char* kind) const {
        if (!is_waiting(id)) throw_beside<LocalProtocolError>(we_send, kind, id, no_answer_due);
    }

    // A request has at most one Ask without an Answer.
    void received_ask(std::optional<Id> id) {
        received_beside(id, "Ask");
        if (!asking_.insert(*id).second)
            throw_beside<RemoteProtocolError>(worker_sent, "Ask", id, ", whose last Ask has no Answer yet");
    }
    void sent_answer(std::optional<Id> id) {
        sent_beside(id, "Answer");
        if (asking_.erase(*id) == 0) throw_beside<LocalProtocolError>(we_send, "Answer", id, ", which has not asked");
    }
    bool is_asking(Id id) const { return asking_.count(id) != 0; }

    // Notes that the worker has ended. Allowed in every state.
    void lost() {
        state_ = *state_after(state_, ConnectionEvent::lost);
        waiting_.clear();
        asking_.clear();
    }

private:
    static constexpr const char* worker_sent = "the worker sent ";
    static constexpr const char* we_send = "we may not send ";
    static constexpr const char* no_answer_due = ", which is not waiting for an answer";

    template <class Error>
    [[noreturn]] static void throw_beside(const char* who, const char* kind, std::optional<Id> id, const char* why) {
        throw Error("bad_state",
                    std::string(who) + kind + " of request " + std::to_string(id.value_or(0)) + std::string(why));
    }

    // Answers mostly come in order, so it is found at once.
    std::deque<Id>::const_iterator find(Id id) const { return std::find(waiting_.begin(), waiting_.end(), id); }

    template <class Error>
    void advance(ConnectionEvent event, const char* who) {
        const std::optional<State> following = state_after(state_, event);
        if (!following) throw Error("bad_state", std::string(who) + name_of(event) + " while " + name_of(state_));
        state_ = *following;
    }

    State state_ = State::starting;
    std::deque<Id> waiting_;
    std::set<Id> asking_;  // those of which an Ask has no Answer
};

}  // namespace tr::detail
