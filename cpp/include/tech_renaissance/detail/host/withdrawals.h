// Calls that their host takes back, wherever they are: asked to finish early, given up, cancelled, overdue, or ended in
// the middle of their work.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/call_queue.h"
#include "tech_renaissance/detail/host/turns.h"
#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

// The part of an Exchange that takes calls back.
class Withdrawals : public Turns {
public:
    // Asks a call that was sent to finish early. If the worker has not begun it, it is over.
    void stop(const CallPtr& call) {
        const Id id = *call->request.id;
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.count(id) == 0 || call->cancelled) return;
        call->stopped = true;
        transport_.ask_to_stop(id);
        end_listed(*call);
    }

    // Ends a call that the worker has not begun, and tells the worker; false if it is in work. True also if it is done,
    // or no longer belongs to this exchange.
    bool cancel(const CallPtr& call) {
        const Id id = *call->request.id;
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.count(id) == 0) return true;
        if (end_suspended(*call, EndReason::cancel)) return true;
        if (!transport_.begun({id}).empty()) return false;  // the stacks come before the notice
        transport_.ask_to_cancel(id);
        return end_listed(*call);
    }

    // Gives a call up for good, without doing anything else to the worker; its answer is this error. False if it is
    // over.
    bool withdraw(const CallPtr& call, std::exception_ptr error) {
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.erase(*call->request.id) == 0) return false;
        transport_.ask_to_cancel(*call->request.id);
        end(*call, std::move(error));
        return true;
    }

    // Nobody waits for this call any longer: its response will be discarded, and its handler gets no more answers.
    void abandon(const CallPtr& call) {
        const Lock lock(mutex_);
        if (calls_.erase(*call->request.id) == 0 || call->talk() == nullptr) return;
        if (const std::optional<Ask> ask = call->talk()->take_ask()) refuse_ask(*ask->id, ask->name);
        if (!closed_) send_outgoing();
    }

    // Nobody wants more of a call that streams or has an input: it is given up, and nothing else is done to the worker.
    void close_stream(const CallPtr& call) {
        const Lock lock(mutex_);
        if (is_over(*call) || calls_.erase(*call->request.id) == 0) return;
        transport_.ask_to_cancel(*call->request.id);
    }

    // Ends a call whose deadline has passed before its turn; false if that is not so, or it is in work, or nobody waits
    // for it and it may still be begun. True also if it is done, was answered although nobody waits for it, or no
    // longer belongs to this exchange.
    bool expire(const CallPtr& call) {
        if (!call->is_overdue()) {
            take_in();
            return is_over(*call);
        }
        if (queue_.end(*call, expired(*call))) {
            const Lock lock(mutex_);
            changed_.notify_all();
            return true;
        }
        const Id id = *call->request.id;
        const bool was_in_work = is_in_work_now(id);
        take_in();
        const Lock lock(mutex_);
        if (is_over(*call) || !connection_.is_waiting(id)) return true;
        if (end_suspended(*call, EndReason::deadline)) return true;
        if (was_in_work || calls_.count(id) == 0) return false;
        calls_.erase(id);
        call->fail(expired(*call));
        return true;
    }

    // The call that the worker has begun, and since when; if it has begun none, the oldest, whose turn it is. Of
    // several the oldest; if avoid_suspended, one that is not, if there is any. None once the worker has ended.
    std::optional<InWork> in_work(bool avoid_suspended = false) {
        take_in();
        const Lock lock(mutex_);
        const std::deque<InWork> calls = over_ ? std::deque<InWork>() : work_.calls();
        if (calls.empty()) return std::nullopt;
        const std::vector<InWork> begun = only_begun(calls, transport_.begun(ids_of(calls)));
        for (const InWork& one : begun) {
            if (!(avoid_suspended && one.is_suspended)) return one;
        }
        return begun.empty() ? calls.front() : begun.front();
    }

    // The host is about to end a request in work, whose answer no longer counts: the call fails with how it has ended
    // as soon as that comes. `call` becomes the call, to be failed if no answer comes; null if nobody waits for it.
    // False if the request is over, or not in work.
    bool begin_end(Id id, EndReason why, CallPtr& call) {
        const Lock lock(mutex_);
        if (closed_ || !is_in_work(id)) return false;
        const auto found = calls_.find(id);
        if (found == calls_.end()) return true;
        call = found->second;
        ends_[id] = {call, why, {"notice", "", nullptr}};
        calls_.erase(found);
        return true;
    }

    // The host takes a step towards the end of a request, which is what has ended it if it is answered now.
    void note_end(Id id, const CallEnd& so_far) {
        const Lock lock(mutex_);
        const auto found = ends_.find(id);
        if (found != ends_.end()) found->second.so_far = so_far;
    }

    // The worker is about to be ended for a request, whose answer has no effect any more.
    void end_with_worker(Id id) {
        const Lock lock(mutex_);
        ends_.erase(id);
    }

    // Whether nothing of a call in work runs. If the host has given it up before it asks, it is over: the worker, which
    // may be busy with another call, will find that before it goes on with it.
    bool is_suspended(Id id) {
        const Lock lock(mutex_);
        return !over_ && is_suspended_now(id);
    }

    // Fails a call that its host has ended, unless it was answered.
    void fail(Call& call, std::exception_ptr error) {
        const Lock lock(mutex_);
        ends_.erase(*call.request.id);
        if (!call.done()) end(call, std::move(error));
    }

protected:
    Withdrawals(HostTransport& transport, WorkRecord& work, CallQueue& queue, ExchangeHooks hooks, bool is_open)
        : Turns(transport, work, queue, std::move(hooks), is_open) {}
    ~Withdrawals() = default;

private:
    void end(Call& call, std::exception_ptr error) {
        call.fail(std::move(error));
        wake_all();
    }

    bool is_suspended_now(Id id) {
        const std::vector<Begun> begun = transport_.begun({id});
        return !begun.empty() && begun.front().is_suspended;
    }

    // Gives up a call of which nothing runs, and ends it. False if it runs, or is resumed meanwhile.
    bool end_suspended(Call& call, EndReason why) {
        const Id id = *call.request.id;
        if (!is_suspended_now(id)) return false;
        transport_.ask_to_cancel(id);
        // The worker notes that it goes on with something else before it looks at the list.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!is_suspended_now(id) || calls_.erase(id) == 0) return false;
        end(call, ended_call(call.request, why, {"notice", "", nullptr}));
        return true;
    }

    // Ends a call that has just been listed as given up, or to be stopped, unless it is in work; false then.
    bool end_listed(Call& call) {
        // The worker stores what it begins before it looks at the list.
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const Id id = *call.request.id;
        if (is_in_work(id)) return false;
        calls_.erase(id);
        end(call, unbegun(call, EndReason::cancel));
        return true;
    }

    bool is_in_work_now(Id id) {
        const Lock lock(mutex_);
        return is_in_work(id);
    }
};

}  // namespace tr::detail
