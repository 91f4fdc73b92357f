// One request and what became of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/feed.h"
#include "tech_renaissance/detail/host/items.h"
#include "tech_renaissance/detail/host/owned_body.h"
#include "tech_renaissance/detail/host/program_function.h"
#include "tech_renaissance/detail/host/talk.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/progress.h"

namespace tr::detail {

// Command and parameters as one text.
inline std::string message_of(const Request& request) {
    return request.parameters.empty() ? request.command : request.command + " " + request.parameters;
}

class Book;

// The first part does not change once the call has been sent, except that an answered call needs no attachments. The
// outcome is written once, by whoever has the call: the exchange that sent it, or whoever ends it.
class Call {
public:
    Call() = default;
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { delete talk_.load(); }

    Request request;
    std::vector<PlacedAttachment> attachments;
    std::optional<Clock::time_point> deadline;
    bool idempotent = false;

    // The items of a call that streams; null for any other call.
    std::unique_ptr<Items> items;
    // Whether its items come all at once, in its answer.
    bool is_whole = false;
    // The input of a call that has one; null for any other call.
    std::unique_ptr<Feed> feed;
    // Where the values of its input come from, if whoever waits for it takes them from the program; else empty.
    ProgramFunction<std::optional<OwnedBody>()> source;
    // Until its input has been gathered, where it is sent at once; else null.
    std::unique_ptr<GatheredInput> gathered;
    // Who is told how far it is; may be empty.
    ProgramFunction<void(const Progress&)> on_progress;

    // Whether it may stay in line, so that whoever makes it does not wait for room.
    bool stays_in_line = false;
    // Whether it is in line: known to the queue.
    bool is_in_line = false;

    // The exchange that sent it; null before that, and while moving between workers.
    std::atomic<const Book*> exchange{nullptr};
    // Whether a wait for it has timed out.
    std::atomic<bool> timed_out{false};
    // Whether nobody waits for it any longer, so that it is not handed over.
    std::atomic<bool> abandoned{false};
    // Whether its caller has cancelled it, so that it is not handed over, and its answer no longer counts.
    std::atomic<bool> cancelled{false};
    // Whether it was asked to finish early, so that it is not handed over.
    std::atomic<bool> stopped{false};

    void set_deadline(Clock::time_point when) {
        using std::chrono::nanoseconds;
        deadline = when;
        const auto since_boot = std::chrono::duration_cast<nanoseconds>(when.time_since_epoch()).count();
        request.deadline_ns = std::max<std::int64_t>(since_boot, 1);
    }
    // Whether only workers that speak this host's protocol can serve it.
    bool needs_new_protocol() const { return request.typed || request.form != BodyForm::Text || !attachments.empty(); }
    bool is_overdue() const { return deadline && Clock::now() >= *deadline; }

    // Whether an item of it can be taken.
    bool has_item() const noexcept { return items && !items->empty(); }

    // What its handler has said and asked; null if nothing.
    Talk* talk() const noexcept { return talk_.load(std::memory_order_acquire); }
    // REQUIRES: one thread at a time.
    Talk& begin_talk() {
        if (talk() == nullptr) talk_.store(new Talk, std::memory_order_release);
        return *talk();
    }
    // Whether its handler has said or asked something that nobody has dealt with.
    bool has_news() const noexcept { return talk() != nullptr && talk()->has_news(); }

    // Whether a worker has it that takes a value of its input.
    bool takes_value() const noexcept { return exchange != nullptr && feed && feed->has_credit(); }
    // Whether what its user waits for is there: the answer, an item, or room for a value that is pushed.
    bool has_come() const noexcept { return done() || has_item() || (takes_value() && !source); }
    // Whether whoever waits for it has something to do.
    bool is_of_interest() const noexcept { return has_come() || has_news() || takes_value(); }
    // Whether something of it was given away, so that no other worker can begin it again.
    bool was_partly_served() const {
        return (feed && feed->was_taken_from()) || (talk() != nullptr && talk()->was_asked());
    }

    bool done() const noexcept { return stage_.load(std::memory_order_acquire) == done_now; }
    void answer(Reply reply) {
        attachments.clear();
        reply_ = std::move(reply);
        set_done();
    }
    void fail(std::exception_ptr error) {
        error_ = std::move(error);
        set_done();
    }

    // Has a task run by the next dispatch after the call is done. Only once.
    void when_done(std::shared_ptr<Beacon> beacon, Beacon::Task task) {
        beacon_ = std::move(beacon);
        task_ = std::move(task);
        int before = under_way;
        if (!stage_.compare_exchange_strong(before, listened_to)) beacon_->add(std::move(task_));
    }

    // REQUIRES: done(); call it only once. Throws what the call failed with, or what the program has thrown when it was
    // told how far the call is, even if the answer has come; and does not keep it.
    Reply take() {
        if (talk() != nullptr) {
            if (const std::exception_ptr thrown = talk()->take_thrown()) std::rethrow_exception(thrown);
        }
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return std::move(*reply_);
    }

    // Whoever waits for it lets go of it: what the program has given for it, or thrown, is destroyed here and now, and
    // not wherever the call itself is. REQUIRES: no lock.
    void release() noexcept {
        on_progress.release();
        source.release();
        if (done()) error_ = nullptr;
        if (talk() != nullptr) talk()->release();
    }

private:
    static constexpr int under_way = 0;
    static constexpr int listened_to = 1;  // under way, and there is a task
    static constexpr int done_now = 2;

    void set_done() {
        if (stage_.exchange(done_now) == listened_to) beacon_->add(std::move(task_));
    }

    std::atomic<Talk*> talk_{nullptr};
    std::optional<Reply> reply_;
    std::exception_ptr error_;
    std::atomic<int> stage_{under_way};
    std::shared_ptr<Beacon> beacon_;
    Beacon::Task task_;
};

using CallPtr = std::shared_ptr<Call>;

// Why a call is ended.
enum class EndReason { deadline, cancel };

inline std::string describe_end(const CallEnd& end) {
    std::string text = end.step == "queue"       ? "it had not begun"
                       : end.step == "interrupt" ? "the handler was interrupted"
                       : end.step == "terminate" ? "its worker was terminated"
                       : end.step == "kill"      ? "its worker was killed"
                                                 : "the handler saw it and returned";
    return end.stack.empty() ? text : text + "; the worker's stacks:\n" + end.stack;
}

// The error of a call that was ended.
inline std::exception_ptr ended_call(const Request& request, EndReason why, const CallEnd& end) {
    const std::string name = "'" + request.command + "'";
    if (why == EndReason::cancel)
        return std::make_exception_ptr(CallCancelled("cancelled", name + " was cancelled: " + describe_end(end), end));
    return std::make_exception_ptr(
        TimedOut("deadline_passed", name + " passed its deadline: " + describe_end(end), end));
}

// The error of a call that was ended before its turn.
inline std::exception_ptr unbegun(const Call& call, EndReason why) {
    return ended_call(call.request, why, {"queue", "", nullptr});
}
inline std::exception_ptr expired(const Call& call) { return unbegun(call, EndReason::deadline); }

}  // namespace tr::detail
