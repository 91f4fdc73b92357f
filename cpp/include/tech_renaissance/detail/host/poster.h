// A thread that sleeps until a session's beacon shines, and then has the program's executor dispatch.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance/detail/base/launch_failed.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/system/event.h"
#include "tech_renaissance/detail/system/wait_set.h"

namespace tr::detail {

class Poster {
public:
    using Executor = std::function<void(std::function<void()>)>;

    // beacon: the handle of one that lives as long as `dispatch`. Throws LaunchError launch_failed if the system has no
    // thread left.
    Poster(WaitHandle beacon, Executor executor, std::function<void()> dispatch)
        : state_(std::make_shared<State>(beacon, std::move(executor), std::move(dispatch))) {
        const SignalsBlocked blocked;
        try {
            thread_ = std::thread([state = state_] { run(state); });
        } catch (const std::exception& error) {
            throw_launch_failed(std::string("cannot start a thread: ") + error.what());
        }
    }
    Poster(const Poster&) = delete;
    Poster& operator=(const Poster&) = delete;
    // Waits for what the executor does in our thread, unless that is what ends us.
    ~Poster() {
        {
            const std::lock_guard<std::mutex> lock(state_->mutex);
            state_->closed = true;
            state_->changed.notify_all();
        }
        state_->stop.set();
        std::this_thread::get_id() == thread_.get_id() ? thread_.detach() : thread_.join();
    }

private:
    struct State {
        State(WaitHandle its_beacon, Executor its_executor, std::function<void()> its_dispatch)
            : beacon(its_beacon), executor(std::move(its_executor)), dispatch(std::move(its_dispatch)) {}

        const WaitHandle beacon;
        const Executor executor;
        const std::function<void()> dispatch;
        Event stop;
        std::mutex mutex;  // for everything below
        std::condition_variable changed;
        bool closed = false;
        bool posted = false;  // whether a dispatch has been posted and is not over
    };
    using StatePtr = std::shared_ptr<State>;

    // A dispatch that has been posted. It is over when it has run, or was destroyed without that.
    class Turn {
    public:
        explicit Turn(StatePtr state) : state_(std::move(state)) {}
        ~Turn() {
            const std::lock_guard<std::mutex> lock(state_->mutex);
            state_->posted = false;
            state_->changed.notify_all();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

        void run() { state_->dispatch(); }

    private:
        StatePtr state_;
    };

    // How long an executor that does not run what it gets is left alone.
    static constexpr std::chrono::milliseconds pause{100};

    static void run(const StatePtr& state) {
        while (true) {
            wait_for_either(state->beacon, state->stop.handle());
            std::unique_lock<std::mutex> lock(state->mutex);
            if (state->closed) return;
            state->posted = true;
            lock.unlock();
            const bool was_taken = post(state);
            lock.lock();
            state->changed.wait(lock, [&] { return state->closed || !state->posted; });
            if (!was_taken) state->changed.wait_for(lock, pause, [&] { return state->closed; });
            if (state->closed) return;
        }
    }

    // False if the executor has thrown, or dropped it at once.
    static bool post(const StatePtr& state) {
        const auto has_run = std::make_shared<std::atomic<bool>>(false);
        const auto turn = std::make_shared<Turn>(state);
        try {
            state->executor([turn, has_run] {
                *has_run = true;
                turn->run();
            });
        } catch (...) {
            return false;
        }
        return *has_run || turn.use_count() > 1;
    }

    StatePtr state_;
    std::thread thread_;
};

}  // namespace tr::detail
