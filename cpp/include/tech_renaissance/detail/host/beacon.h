// Where a program's own event loop meets its session: a handle that is ready when a dispatch has something to do, and
// the callbacks that this dispatch runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/system/handle.h"
#include "tech_renaissance/detail/system/wait_set.h"

namespace tr::detail {

// Outlives the workers. Thread-safe.
class Beacon {
public:
    using Task = std::function<void()>;

    Beacon() = default;
    Beacon(const Beacon&) = delete;
    Beacon& operator=(const Beacon&) = delete;

    // The handle, which is made when it is first asked for. Throws LaunchError launch_failed.
    WaitHandle open() {
        const Lock lock(mutex_);
        if (!set_) {
            set_.emplace();
            is_open_ = is_used_ = true;
            if (!tasks_.empty()) wake(lock);
        }
        return set_->handle();
    }
    bool is_open() const noexcept { return is_open_; }
    // Whether there has been a dispatch, or a handle for one.
    bool is_used() const noexcept { return is_used_; }

    // Makes the handle ready until the next rest().
    void wake() {
        const Lock lock(mutex_);
        wake(lock);
    }

    // ------------------------------------------------------------ for exchanges. REQUIRES: it is open.

    // Handles that make this one ready, too. Throws LaunchError launch_failed.
    void add(const std::vector<WaitHandle>& members) {
        const Lock lock(mutex_);
        for (const WaitHandle member : members) set_->add(member);
    }
    void remove(const std::vector<WaitHandle>& members) noexcept {
        const Lock lock(mutex_);
        for (const WaitHandle member : members) set_->remove(member);
    }

    // Nobody reads any longer, so that the members count. interval: when it is ready even if nothing comes; zero:
    // never.
    void listen(std::chrono::milliseconds interval) noexcept {
        const Lock lock(mutex_);
        set_->set_timer(interval);
        set_->listen();
    }
    // A dispatch reads, and sees to what the handle was made ready for.
    void rest() noexcept {
        const Lock lock(mutex_);
        set_->rest();
        is_woken_ = false;
    }
    // Somebody else reads: the members do not count, but what a dispatch is to see to remains.
    void ignore_members() noexcept {
        const Lock lock(mutex_);
        set_->rest();
        if (is_woken_) set_->wake();
    }

    // ------------------------------------------------------------ tasks

    // To be run by the next dispatch. Dropped once it is closed.
    void add(Task task) {
        const Lock lock(mutex_);
        if (is_closed_) return;
        tasks_.push_back(std::move(task));
        if (dispatching_ == 0) wake(lock);
    }

    // While it exists, a dispatch is under way, which sees to new tasks itself.
    class Dispatch {
    public:
        explicit Dispatch(Beacon& beacon) : beacon_(beacon) {
            const Lock lock(beacon_.mutex_);
            ++beacon_.dispatching_;
            beacon_.is_used_ = true;
        }
        ~Dispatch() {
            const Lock lock(beacon_.mutex_);
            --beacon_.dispatching_;
            if (!beacon_.tasks_.empty()) beacon_.wake(lock);
        }
        Dispatch(const Dispatch&) = delete;
        Dispatch& operator=(const Dispatch&) = delete;

        // Runs the tasks that are there by now. What one throws leaves the others for the next dispatch.
        void run_tasks() {
            for (std::size_t left = beacon_.count(); left > 0; --left) {
                const Task task = beacon_.take();
                if (!task) return;  // another dispatch has taken it, or the session has ended
                task();
            }
        }

    private:
        Beacon& beacon_;
    };

    // Tasks that were not run are destroyed, and there will be no more.
    void close() {
        std::deque<Task> dropped;  // destroyed after releasing the lock
        const Lock lock(mutex_);
        is_closed_ = true;
        dropped.swap(tasks_);
    }

private:
    using Lock = std::lock_guard<std::mutex>;

    void wake(const Lock&) noexcept {
        if (!set_ || is_woken_) return;
        is_woken_ = true;
        set_->wake();
    }

    std::size_t count() const {
        const Lock lock(mutex_);
        return tasks_.size();
    }

    Task take() {
        const Lock lock(mutex_);
        if (tasks_.empty()) return nullptr;
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        return task;
    }

    std::atomic<bool> is_open_{false};
    std::atomic<bool> is_used_{false};
    mutable std::mutex mutex_;  // for everything below
    std::optional<WaitSet> set_;
    bool is_woken_ = false;  // since the last rest
    std::deque<Task> tasks_;
    int dispatching_ = 0;
    bool is_closed_ = false;
};

}  // namespace tr::detail
