// The implementation of futures.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/door.h"
#include "tech_renaissance/detail/surface/reply.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/future.h"

namespace tr::detail {

TR_INLINE Pending::Pending(std::shared_ptr<Call> call, std::shared_ptr<Door> door,
                           std::optional<std::chrono::milliseconds> timeout)
    : call_(std::move(call)), door_(std::move(door)), timeout_(timeout) {}

TR_INLINE Pending& Pending::operator=(Pending&& other) noexcept {
    if (this == &other) return *this;
    drop();
    call_ = std::move(other.call_);
    door_ = std::move(other.door_);
    timeout_ = other.timeout_;
    return *this;
}

TR_INLINE Pending::~Pending() { drop(); }

TR_INLINE void Pending::drop() noexcept {
    const CallPtr call = std::exchange(call_, nullptr);
    if (!call || call->done() || !door_->is_ours()) return;
    try {
        const Door::Visit session(*door_);
        call->items ? session->close_stream(call) : session->abandon(call);
    } catch (const std::exception&) {  // the session has ended
    }
}

TR_INLINE const CallPtr& Pending::call() const {
    if (!call_) throw LocalProtocolError("no_request", "this future has no call, or its result was taken");
    return call_;
}

TR_INLINE Body Pending::get(std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(timeout_.value_or(milliseconds::max()));
    const CallPtr call = this->call();
    if (call->done()) {
        call_ = nullptr;
        return body_of(call->take());
    }
    const Door::Visit session(*door_);
    if (!session->wait(call, deadline_after(longest))) session->throw_timed_out(*call, longest);
    call_ = nullptr;
    return body_of(session->take(call));
}

TR_INLINE std::optional<Body> Pending::next(std::optional<std::chrono::milliseconds> timeout) {
    using std::chrono::milliseconds;
    const milliseconds longest = timeout.value_or(timeout_.value_or(milliseconds(default_timeout_ms)));
    const CallPtr& call = this->call();
    if (!call->done() && !call->has_item()) {
        const Door::Visit session(*door_);
        if (!session->wait(call, deadline_after(longest))) session->throw_timed_out(*call, longest);
    }
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

TR_INLINE bool Pending::is_whole() const { return call()->is_whole; }

TR_INLINE bool Pending::wait_for(std::chrono::milliseconds timeout) const {
    if (call()->done()) return true;
    const Door::Visit session(*door_);
    return session->wait(call_, deadline_after(timeout));
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
    const CallPtr call = this->call();
    std::shared_ptr<Beacon> beacon = Door::Visit(*door_)->beacon();
    auto done = std::make_shared<Pending>(std::move(*this));
    call->when_done(std::move(beacon), [f = std::move(f), done] { f(std::move(*done)); });
}

TR_INLINE std::string Pending::state() const {
    if (call()->done()) return "done";
    const Door::Visit session(*door_);
    return session->state_of(call_);
}

}  // namespace tr::detail
