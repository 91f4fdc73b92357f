// How a call in work is ended, step by step: spec/life.md, Deadlines.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "tech_renaissance/detail/host/exchange.h"
#include "tech_renaissance/detail/host/ladder.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// What the ladder does to a worker. Safe to use from any thread.
class LadderHands {
public:
    LadderHands() = default;
    LadderHands(const LadderHands&) = delete;
    LadderHands& operator=(const LadderHands&) = delete;
    virtual ~LadderHands() = default;

    // Takes a step towards the end of a call in work. why is for the post-mortem.
    virtual void take(Step step, Exchange::Id call, const std::string& why) = 0;
    // The last step that was to end the process, perhaps for another call; nullopt if none was taken.
    virtual std::optional<Step> ended_by() const = 0;
    // Those of the worker, for the error of a call; empty if the call is answered before they can be taken.
    virtual std::string stacks_for(Exchange::Id call) = 0;
    // False if the process is still running after the timeout.
    virtual bool wait_end(std::chrono::milliseconds timeout) = 0;
    // Null until the process has ended.
    virtual std::shared_ptr<const PostMortem> post_mortem() = 0;
};

// Whether a step was enough. After a step that ends the process, an answer does not count. If nothing more can be
// received, waits for the end of the process.
inline bool was_enough(const LadderStep& step, Exchange& exchange, Exchange::Id id, LadderHands& hands) {
    if (step.step >= Step::terminate) return hands.wait_end(step.patience);
    const Clock::time_point deadline = deadline_after(step.patience);
    try {
        // It may have been suspended since, and have to wait long for its turn, in which it would end.
        return exchange.wait_over(id, step.patience) || exchange.is_suspended(id);
    } catch (const std::exception&) {
        return hands.wait_end(left_until(deadline));
    }
}

inline std::string stacks_of(LadderHands& hands, Exchange::Id id) {
    try {
        return hands.stacks_for(id);
    } catch (const std::exception&) {  // the call is ended without stacks
        return "";
    }
}

// Takes one step after another until one is enough.
inline CallEnd climb(Exchange& exchange, Exchange::Id id, const std::string& reason, const CancelPatience& patience,
                     LadderHands& hands) {
    CallEnd end;
    end.stack = stacks_of(hands, id);
    for (const LadderStep& step : call_ladder(patience)) {
        end.step = name_of(step.step);
        try {
            step.step < Step::terminate ? exchange.note_end(id, end) : exchange.end_with_worker(id);
            hands.take(step.step, id, reason);
        } catch (const std::exception&) {  // if a step cannot be taken, the next one needs no cooperation
        }
        if (was_enough(step, exchange, id, hands)) break;
    }
    if (end.step == "notice" && exchange.was_refused(id)) end.step = "queue";
    end.post_mortem = hands.post_mortem();
    const std::optional<Step> ended_by = hands.ended_by();
    if (end.post_mortem && ended_by) end.step = name_of(*ended_by);
    return end;
}

// Ends the call with this id, if it is in work. Returns the step that was needed ("queue" if the worker had not really
// begun it); empty if it was not, or no longer, in work.
inline std::string end_call(Exchange& exchange, Exchange::Id id, const std::string& message, EndReason why,
                            const CancelPatience& patience, LadderHands& hands) {
    const std::string reason =
        "'" + shortened(message, 80) + (why == EndReason::cancel ? "' was cancelled" : "' passed its deadline");
    CallPtr call;
    if (!exchange.begin_end(id, why, call)) return "";
    try {
        const CallEnd end = climb(exchange, id, reason, patience, hands);
        if (call) exchange.fail(*call, ended_call(call->request, why, end));
        return end.step;
    } catch (const std::exception&) {  // such as std::bad_alloc: nobody else would tell whoever waits
        if (call) exchange.fail(*call, std::current_exception());
        throw;
    }
}

}  // namespace tr::detail
