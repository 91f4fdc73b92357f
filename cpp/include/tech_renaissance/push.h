// The other end of a call's input: PythonSession::open.
#pragma once

#include "tech_renaissance/config.h"

#include <chrono>
#include <optional>
#include <utility>

#include "tech_renaissance/encoder.h"
#include "tech_renaissance/future.h"
#include "tech_renaissance/progress.h"

namespace tr {

// Values go to the command one after another, as fast as it takes them:
//
//     auto push = session.open<double>("train", input, kw("rate", 0.1));
//     for (const Batch& batch : batches) {
//         if (!push.push(batch)) break;
//     }
//     double loss = push.finish();
//
// For one thread at a time, which also runs what the handler asks; but any may call `cancel`, `stop` and `progress`
// while it exists. Until it is finished, the worker serves nobody else, unless the command is async. So other threads'
// calls wait for that, and those of the thread that has opened it, or pushed last, are refused: LocalProtocolError
// "would_wait_for_itself".
template <class T>
class [[nodiscard]] Push {
public:
    explicit Push(detail::Pending pending, std::optional<std::chrono::milliseconds> timeout) noexcept
        : pending_(std::move(pending)), timeout_(timeout) {}
    Push(Push&&) noexcept = default;
    Push& operator=(Push&&) noexcept = default;
    // Without finish() the call is given up. That never waits, and never ends the worker.
    ~Push() = default;

    // Sends a value, once the command takes it; false if the command has returned, or failed, as finish() then says.
    // Waits as long as CallOptions::timeout says, by default 10 s; after TimedOut "timed_out" it can be pushed again.
    // Over files, values are gathered, at most 10,000 of them ("too_large"), and sent by finish().
    template <class Item>
    bool push(const Item& item) {
        return pending_.push(encode_result(item), timeout_);
    }

    // Ends the input, waits for the result and takes it. Throws what a call throws. It can be called again after
    // TimedOut "timed_out".
    T finish() { return finish_within(timeout_); }
    T finish(std::chrono::milliseconds timeout) { return finish_within(timeout); }

    // Gives the call up. Does not wait.
    void close() noexcept { pending_.drop(); }

    // See Future.
    void cancel() { pending_.cancel(); }
    void stop() { pending_.stop(); }
    std::optional<Progress> progress() const { return pending_.progress(); }

private:
    T finish_within(std::optional<std::chrono::milliseconds> timeout) {
        pending_.end_input(timeout);
        return detail::value_of<T>(pending_.get(timeout), pending_.command());
    }

    detail::Pending pending_;
    std::optional<std::chrono::milliseconds> timeout_;
};

}  // namespace tr
