// A function that a program has given for a call.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace tr::detail {

template <class Signature>
class ProgramFunction;

// It may own anything, such as other futures of the session, or the session itself. A call may be kept by any thread,
// under any lock, until its answer has come; so whoever lets go of the call releases its functions, without any lock. A
// thread that runs one meanwhile keeps it until it returns. Thread-safe.
template <class Result, class... Args>
class ProgramFunction<Result(Args...)> {
public:
    using Function = std::function<Result(Args...)>;

    ProgramFunction() = default;
    ProgramFunction(const ProgramFunction&) = delete;
    ProgramFunction& operator=(const ProgramFunction&) = delete;

    ProgramFunction& operator=(Function function) {
        auto shared = function ? std::make_shared<const Function>(std::move(function)) : nullptr;
        const std::lock_guard<std::mutex> lock(mutex_);
        is_there_ = shared != nullptr;
        function_.swap(shared);  // the last one is destroyed after releasing the lock
        return *this;
    }
    // From now on there is none.
    void release() noexcept {
        if (is_there_) *this = nullptr;
    }

    // Whether there is one. Takes no lock.
    explicit operator bool() const noexcept { return is_there_; }

    // What it returns; a default value if there is none.
    Result operator()(Args... args) const {
        const std::shared_ptr<const Function> function = get();
        return function ? (*function)(std::forward<Args>(args)...) : Result();
    }

private:
    std::shared_ptr<const Function> get() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return function_;
    }

    std::atomic<bool> is_there_{false};
    mutable std::mutex mutex_;  // for the next line
    std::shared_ptr<const Function> function_;
};

}  // namespace tr::detail
