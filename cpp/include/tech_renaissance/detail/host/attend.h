// What the thread that waits for a call does meanwhile: it runs what the handler says and asks.
#pragma once

#include <exception>
#include <optional>

#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/host/exposed.h"
#include "tech_renaissance/detail/host/talk.h"
#include "tech_renaissance/progress.h"

namespace tr::detail {

// What on_progress throws; null if nothing.
inline std::exception_ptr tell(const Call& call, const Progress& progress) noexcept {
    try {
        call.on_progress(progress);
        return nullptr;
    } catch (...) {
        return std::current_exception();
    }
}

// Sends the next value of an input that is taken from the program, or its end, if the worker takes one. Returns what
// went wrong with it. A value that was taken is lost only with its call.
template <class Reach>
std::exception_ptr feed(const CallPtr& call, const void* session, Reach reach) noexcept {
    try {
        bool may_take = false;
        bool waiting = true;
        reach([&](auto& caller) {
            waiting = !caller.has_coroutines();
            may_take = caller.begin_item(call);
        });
        if (!may_take) return nullptr;
        std::optional<OwnedBody> value;
        {
            const Callback callback(session, waiting);
            value = call->source();
        }
        if (!value) call->feed->end();
        reach([&](auto& caller) {
            InputItem item = value ? caller.place_item(*call, value->value) : InputItem{*call->request.id};
            item.is_last = !value;
            caller.send_item(call, item);
        });
        return nullptr;
    } catch (...) {
        return std::current_exception();
    }
}

// Whether the thread that attends a call waits for it, or dispatches.
enum class Attending { waiting, dispatching };

// In this thread, without any lock. Only the one that waits for the call takes the values of its input from the
// program. reach(action) calls action(caller) with the session's caller, if the session has not ended. What on_progress
// throws, or where the input comes from, gives the call up, and is returned; if nobody waits here, only if nobody will
// be given it by the call.
template <class Reach>
std::exception_ptr attend(const CallPtr& call, Attending how, const Exposed& exposed, const void* session,
                          Reach reach) {
    const auto withdraw = [&](const std::exception_ptr& thrown) {
        if (thrown) reach([&](auto& caller) { caller.withdraw(call, thrown); });
        return thrown;
    };
    if (how == Attending::waiting && call->source && !call->done() && call->takes_value()) {
        if (const std::exception_ptr thrown = withdraw(feed(call, session, reach))) return thrown;
    }
    Talk* const talk = call->talk();
    if (talk == nullptr || !talk->has_news()) return nullptr;
    // What came while the last progress was told: only the newest is of interest.
    if (how == Attending::waiting && talk->was_heard()) reach([&](auto& caller) { caller.is_done(call); });
    if (const std::optional<Progress> progress = talk->take_progress()) {
        if (const std::exception_ptr thrown = withdraw(tell(*call, *progress))) {
            const bool is_kept = talk->keep(thrown);
            return is_kept && how == Attending::dispatching ? nullptr : thrown;
        }
    }
    const std::optional<Ask> ask = talk->take_ask();
    if (ask && !call->done()) {  // else nobody waits for the answer any longer
        const Outcome outcome = exposed.run(*ask, session);
        reach([&](auto& caller) { caller.send_answer(call, outcome); });
    }
    return nullptr;
}

}  // namespace tr::detail
