// The result of a call that is under way: PythonSession::submit.
#pragma once

#include "tech_renaissance/config.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/progress.h"

namespace tr {

namespace detail {

class Call;
class Door;

// What a future does that does not depend on the type of its result.
class Pending {
public:
    Pending() noexcept = default;
    // timeout: how long to wait if nothing else is said.
    Pending(std::shared_ptr<Call> call, std::shared_ptr<Door> door, std::optional<std::chrono::milliseconds> timeout);
    Pending(Pending&& other) noexcept = default;
    Pending& operator=(Pending&& other) noexcept;
    ~Pending();

    // Whether it has a call whose result has not been taken, and that was not dropped.
    bool is_valid() const noexcept { return call_ != nullptr && !is_over_; }
    // The call's; empty if there is none.
    std::string_view command() const noexcept;
    Body get(std::optional<std::chrono::milliseconds> timeout);
    // The next item of a call that streams; nullopt if no more come, and the call is done.
    std::optional<Body> next(std::optional<std::chrono::milliseconds> timeout);
    // Whether its items come all at once, in its result.
    bool is_whole() const;
    bool wait_for(std::chrono::milliseconds timeout) const;
    bool is_ready() const;
    void cancel() const;
    void stop() const;
    std::optional<Progress> progress() const;
    std::string state() const;
    // Sends the next value of the call's input; false if the call is over.
    bool push(const Body& value, std::optional<std::chrono::milliseconds> timeout);
    // Ends the input. The result is got by get().
    void end_input(std::optional<std::chrono::milliseconds> timeout);
    // Lets go of the call, without waiting.
    void drop() noexcept;
    // Gives the call to `f` in a dispatch after it is done.
    void on_done(std::function<void(Pending)> f);

private:
    // The call of this handle, also when its result has been taken.
    const std::shared_ptr<Call>& call() const;
    // The call whose result is still to be taken.
    const std::shared_ptr<Call>& open_call() const;
    void wait_once(std::chrono::milliseconds timeout, std::chrono::steady_clock::time_point until);
    void wait_to_send(std::chrono::milliseconds timeout, std::chrono::steady_clock::time_point until);

    class LetGo;

    std::shared_ptr<Call> call_;
    bool is_over_ = false;
    std::shared_ptr<Door> door_;
    std::optional<std::chrono::milliseconds> timeout_;
};

// Throws the exception that is being handled again; what is said about a result then begins with its command.
[[noreturn]] void rethrow_as_of(std::string_view command);

template <class Read>
auto reading_result_of(std::string_view command, Read read) {
    try {
        return read();
    } catch (const CommandError&) {
        rethrow_as_of(command);
    }
}

// The value of a call's result; of void, none.
template <class T>
T value_of(const Body& body, std::string_view command) {
    if constexpr (!std::is_void_v<T>) return reading_result_of(command, [&] { return decode_result<T>(body); });
}

}  // namespace detail

// Whoever waits for one future of a session, or makes a call in it, also moves the others on; there is no thread for
// it.
//
// May outlive its session: then a result that has come is still there, and any other is SessionClosed. Different
// futures may be used by different threads. Of one future, one thread at a time calls `get` or `valid`, moves or
// destroys it; while it is there, any other may call the rest.
template <class T>
class [[nodiscard]] Future {
public:
    // A future without a call.
    Future() noexcept = default;
    explicit Future(detail::Pending pending) noexcept : pending_(std::move(pending)) {}
    Future(Future&&) noexcept = default;
    Future& operator=(Future&&) noexcept = default;
    // Does not wait. A call that has not been sent is not sent any more; if it has been, its answer is dropped.
    ~Future() = default;

    // Whether it has a call whose result has not been taken.
    bool valid() const noexcept { return pending_.is_valid(); }

    // Waits for the result and takes it, which can be done once. Waits for as long as it takes, or
    // CallOptions::timeout. Throws what a call throws; after TimedOut "timed_out" the future is as before.
    // LocalProtocolError "no_request" if it is not valid. What follows is also known of a call whose result was taken;
    // "no_request" if there was never one, or it was moved away.
    T get() { return detail::value_of<T>(pending_.get(std::nullopt), pending_.command()); }
    T get(std::chrono::milliseconds timeout) { return detail::value_of<T>(pending_.get(timeout), pending_.command()); }

    // Waits until the call is done, well or not; false after the timeout.
    bool wait_for(std::chrono::milliseconds timeout) const { return pending_.wait_for(timeout); }

    // Whether the call is done, as far as that can be seen without waiting.
    bool ready() const { return pending_.is_ready(); }

    // Ends this call, wherever it is, and no other. Does not wait: `get` throws CallCancelled once it has ended. If it
    // is in work, that takes the steps of PythonSession::cancel. Does nothing if it is done.
    void cancel() { pending_.cancel(); }

    // Asks the handler to finish early (`self.stopping`), and keeps its answer. A call that has not begun ends like one
    // that was cancelled. Does not wait, and does nothing if it is done.
    void stop() { pending_.stop(); }

    // How far the handler says it is, as far as that has come here; nullopt if it has said nothing.
    std::optional<Progress> progress() const { return pending_.progress(); }

    // "queued" here, "sent" to the worker, "running" there, "asking" while its handler waits for a function of this
    // host, or "done".
    std::string state() const { return pending_.state(); }

    // Gives this future to `f` once the call is done, well or not, in a thread that dispatches
    // (PythonSession::dispatch): std::move(future).on_done([](Future<double> f) { show(f.get()); }). What `f` throws
    // comes out of `dispatch`. If the session ends first, `f` is destroyed without being called.
    template <class F>
    void on_done(F f) && {
        pending_.on_done(
            [f = std::make_shared<F>(std::move(f))](detail::Pending done) { (*f)(Future(std::move(done))); });
    }

private:
    detail::Pending pending_;
};

}  // namespace tr
