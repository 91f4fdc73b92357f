// The implementation of futures.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/door.h"
#include "tech_renaissance/detail/surface/gathered_input.h"
#include "tech_renaissance/detail/surface/reply.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/future.h"

namespace tr::detail {

TR_INLINE void rethrow_as_of(std::string_view command) {
    try {
        throw;
    } catch (const CommandError& error) {
        if (error.code() != "wrong_type") throw;
        throw CommandError(error.code(), std::string(command) + ": " + error.what());
    }
}

TR_INLINE Pending::Pending(std::shared_ptr<Call> call, std::shared_ptr<Door> door,
                           std::optional<std::chrono::milliseconds> timeout)
    : call_(std::move(call)), door_(std::move(door)), timeout_(timeout) {}

TR_INLINE Pending& Pending::operator=(Pending&& other) noexcept {
    if (this == &other) return *this;
    drop();
    call_ = std::move(other.call_);
    is_over_ = other.is_over_;
    door_ = std::move(other.door_);
    timeout_ = other.timeout_;
    return *this;
}

TR_INLINE Pending::~Pending() { drop(); }

// The result is taken, or given up: from the end of this on nobody uses the call, nor the functions that belong to it.
// Those may own anything, even this future or its session, so that nothing of either is used after that.
class Pending::LetGo {
public:
    explicit LetGo(Pending& pending) : call_(pending.call_), is_ours_(pending.door_->is_ours()) {
        pending.is_over_ = true;
    }
    ~LetGo() {
        if (is_ours_) call_->release();  // in a fork its locks may stay locked forever
    }
    LetGo(const LetGo&) = delete;
    LetGo& operator=(const LetGo&) = delete;

private:
    const CallPtr call_;
    const bool is_ours_;
};

TR_INLINE void Pending::drop() noexcept {
    if (!is_valid()) return;
    const LetGo over(*this);
    if (call_->done() || !door_->is_ours()) return;
    try {
        const Door::Visit session(*door_);
        call_->items || call_->feed ? session->close_stream(call_) : session->abandon(call_);
    } catch (const std::exception&) {  // the session has ended
    }
}

TR_INLINE std::string_view Pending::command() const noexcept {
    return call_ ? std::string_view(call_->request.command) : std::string_view();
}

TR_INLINE const CallPtr& Pending::call() const {
    if (!call_) throw LocalProtocolError("no_request", "this future has no call");
    return call_;
}

TR_INLINE const CallPtr& Pending::open_call() const {
    if (call_ && is_over_) throw LocalProtocolError("no_request", "the result of this future was taken, or given up");
    return call();
}

// Until the call is done, or has something for whoever waits, which is then dealt with. Without a visit in the end,
// because a function of the program may end the session.
TR_INLINE void Pending::wait_once(std::chrono::milliseconds timeout, Clock::time_point until) {
    const CallPtr call = call_;
    if (!call->is_of_interest()) {
        const Door::Visit session(*door_);
        if (!session->wait(call, until)) session->throw_timed_out(*call, timeout);
    }
    if (const std::exception_ptr thrown = door_->attend(call, Attending::waiting)) {
        const LetGo over(*this);
        std::rethrow_exception(thrown);
    }
    if (!call->has_come()) Door::Visit(*door_)->check_in_time(call, until, timeout);
}

TR_INLINE Body Pending::get(std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(timeout_.value_or(milliseconds::max()));
    const CallPtr call = this->open_call();
    const Clock::time_point until = deadline_after(longest);
    while (!call->done() || call->has_news()) wait_once(longest, until);
    const LetGo over(*this);
    return body_of(call->take());
}

TR_INLINE std::optional<Body> Pending::next(std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(timeout_.value_or(milliseconds(default_timeout_ms)));
    const CallPtr call = this->open_call();
    if (!call->has_item() || call->has_news()) {
        const Clock::time_point until = deadline_after(longest);
        while ((!call->done() && !call->has_item()) || call->has_news()) wait_once(longest, until);
    }
    if (call->feed) call->feed->hold();
    std::optional<Body> item = call->items->take();
    if (call->items->owes() && !call->done()) {
        try {
            const Door::Visit session(*door_);
            session->send_credit(call);
        } catch (const SessionClosed&) {  // the item counts all the same, and what comes next says it
        }
    }
    return item;
}

TR_INLINE bool Pending::push(const Body& value, std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(milliseconds(default_timeout_ms));
    const CallPtr call = this->open_call();
    if (call->done()) return false;
    call->feed->hold();
    InputItem item = Door::Visit(*door_)->place_item(*call, value);
    if (call->gathered) {
        gather(*call, value, std::move(item.attachments));
        return true;
    }
    const Clock::time_point until = deadline_after(longest);
    while (!call->done()) {
        {
            const Door::Visit session(*door_);
            if (!call->has_news() && session->send_item(call, item)) return true;
        }
        wait_to_send(longest, until);
    }
    return false;
}

TR_INLINE void Pending::end_input(std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(milliseconds(default_timeout_ms));
    const CallPtr call = this->open_call();
    if (call->done() || call->feed->has_ended()) return;
    if (call->gathered) {
        put_into_arguments(*call);
        try {
            Door::Visit(*door_)->put_in_line(call);
        } catch (...) {  // it is nowhere
            drop();
            throw;
        }
        return;
    }
    InputItem last{*call->request.id};
    last.is_last = true;
    const Clock::time_point until = deadline_after(longest);
    while (!call->done()) {
        if (Door::Visit(*door_)->send_item(call, last)) return;
        wait_to_send(longest, until);
    }
}

// Until the worker takes something for the call, or there is something to do, which is then done.
TR_INLINE void Pending::wait_to_send(std::chrono::milliseconds timeout, Clock::time_point until) {
    const CallPtr call = call_;
    if (call->exchange == nullptr) {
        const Door::Visit session(*door_);
        if (!session->wait_sent(call, until)) session->throw_timed_out(*call, timeout);
    }
    if (call->exchange != nullptr || call->done()) wait_once(timeout, until);
}

TR_INLINE bool Pending::is_whole() const { return call()->is_whole; }

TR_INLINE bool Pending::wait_for(std::chrono::milliseconds timeout) const {
    const CallPtr call = this->call();
    const Clock::time_point until = deadline_after(timeout);
    while (!call->done()) {
        if (!Door::Visit(*door_)->wait(call, until)) return false;
        if (call->has_item() && !call->has_news()) return true;
        if (const std::exception_ptr thrown = door_->attend(call, Attending::waiting)) std::rethrow_exception(thrown);
        if (Clock::now() >= until && !call->has_come() && !is_ready()) return false;
    }
    return true;
}

TR_INLINE bool Pending::is_ready() const {
    if (call()->done()) return true;
    const Door::Visit session(*door_);
    return session->is_done(call_);
}

TR_INLINE void Pending::cancel() const {
    if (!call_ || call_->done()) return;
    const Door::Visit session(*door_);
    session->cancel(call_);
}

TR_INLINE void Pending::on_done(std::function<void(Pending)> f) {
    const CallPtr call = this->open_call();
    std::shared_ptr<Beacon> beacon = Door::Visit(*door_)->beacon();
    auto done = std::make_shared<Pending>(std::move(*this));
    call->when_done(std::move(beacon), [f = std::move(f), done] { f(std::move(*done)); });
}

TR_INLINE void Pending::stop() const {
    if (!call_ || call_->done()) return;
    const Door::Visit session(*door_);
    session->stop(call_);
}

TR_INLINE std::optional<Progress> Pending::progress() const {
    const CallPtr& call = this->call();
    if (!call->done() && door_->is_ours()) {
        try {
            Door::Visit(*door_)->is_done(call);  // takes in what has come
        } catch (const SessionClosed&) {         // what came before counts
        }
    }
    return call->talk() ? call->talk()->newest() : std::nullopt;
}

TR_INLINE std::string Pending::state() const {
    if (call()->done()) return "done";
    const Door::Visit session(*door_);
    return session->state_of(call_);
}

}  // namespace tr::detail
