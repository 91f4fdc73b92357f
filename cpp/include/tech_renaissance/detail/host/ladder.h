// Ending a call by steps, each with its patience: spec/life.md, Deadlines.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "tech_renaissance/detail/host/exchange.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/session_options.h"

namespace tr::detail {

// What the ladder does to a worker's process. Safe to use from any thread.
class LadderHands {
public:
    LadderHands() = default;
    LadderHands(const LadderHands&) = delete;
    LadderHands& operator=(const LadderHands&) = delete;
    virtual ~LadderHands() = default;

    virtual void interrupt() = 0;
    // why: for the post-mortem.
    virtual void terminate(const std::string& why) = 0;
    virtual void kill(const std::string& why) = 0;
    virtual std::string stack() = 0;
    // False if the process still runs after the timeout.
    virtual bool wait_end(std::chrono::milliseconds timeout) = 0;
    // Null until the process has ended.
    virtual std::shared_ptr<const PostMortem> post_mortem() = 0;
};

// How long the system may take to end a killed process.
inline constexpr std::chrono::milliseconds kill_step_patience(5000);

inline std::chrono::milliseconds longest_climb(const CancelPatience& patience) {
    return patience.notice + patience.interrupt + patience.terminate + kill_step_patience;
}

// One climb: what is ended, and how far it has come.
class Climb {
public:
    Climb(Exchange& exchange, Exchange::Id id, LadderHands& hands) : exchange_(exchange), id_(id), hands_(hands) {}

    // Takes the steps until one is enough.
    CallEnd take_steps(const CancelPatience& patience, const std::string& reason) {
        const Clock::time_point noticed_until = deadline_after(patience.notice);
        end_.step = "notice";
        end_.stack = hands_.stack();
        if (wait_over(left_until(noticed_until))) return end_;
        end_.step = "interrupt";
        hands_.interrupt();
        if (wait_over(patience.interrupt)) return end_;
        end_.step = "terminate";
        hands_.terminate(reason);
        if (hands_.wait_end(patience.terminate)) return end_;  // an answer is not enough any more
        end_.step = "kill";
        hands_.kill(reason);
        hands_.wait_end(kill_step_patience);
        return end_;
    }

private:
    // Where nothing can be received any more, the end of the process is waited for.
    bool wait_over(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        try {
            return exchange_.wait_over(id_, timeout);
        } catch (const TRException&) {
            return hands_.wait_end(left_until(deadline));
        }
    }

    Exchange& exchange_;
    Exchange::Id id_;
    LadderHands& hands_;
    CallEnd end_;
};

// Ends the request in work and tells its call. Returns the step that was needed; empty if the request is over, or is
// not in work.
inline std::string end_request(Exchange& exchange, Exchange::Id id, const std::string& message, GivenUp why,
                               const CancelPatience& patience, LadderHands& hands) {
    CallPtr call;
    if (!exchange.give_up(id, call)) return "";
    const char* what = why == GivenUp::cancel ? "' was cancelled" : "' passed its deadline";
    CallEnd end = Climb(exchange, id, hands).take_steps(patience, "'" + shortened(message, 80) + what);
    end.post_mortem = hands.post_mortem();
    if (call) exchange.fail(*call, ended_call(call->request, why, end));
    return end.step;
}

}  // namespace tr::detail
