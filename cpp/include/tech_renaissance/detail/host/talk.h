// What a handler says and asks while its call is in work: spec/protocol.md, Progress and Callbacks.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/progress.h"

namespace tr::detail {

// What the handler of one call says and asks. Thread-safe.
class Talk {
public:
    // Whether there is something for whoever waits for the call. Takes no lock.
    bool has_news() const noexcept { return has_news_.load(std::memory_order_acquire); }

    // The handler has said how far it is. is_heard: whether that is to be given to someone.
    void say(Progress progress, bool is_heard) {
        const Lock lock(mutex_);
        newest_ = std::move(progress);
        is_unheard_ = is_unheard_ || is_heard;
        note(lock);
    }
    std::optional<Progress> newest() const {
        const Lock lock(mutex_);
        return newest_;
    }
    // The newest, unless it has been given before.
    std::optional<Progress> take_progress() {
        const Lock lock(mutex_);
        if (!std::exchange(is_unheard_, false)) return std::nullopt;
        was_heard_ = true;
        note(lock);
        return newest_;
    }

    // Whether any has been given.
    bool was_heard() const {
        const Lock lock(mutex_);
        return was_heard_;
    }

    // What the program has thrown when it was told: whoever takes the answer gets that instead. False if nobody takes
    // it any more.
    bool keep(const std::exception_ptr& thrown) {
        const Lock lock(mutex_);
        if (!is_released_) thrown_ = thrown;
        return !is_released_;
    }
    // Null if there is nothing.
    std::exception_ptr take_thrown() {
        const Lock lock(mutex_);
        return std::exchange(thrown_, nullptr);
    }
    // Nobody takes the answer any more. Returns what nobody has heard of.
    std::exception_ptr release() {
        const Lock lock(mutex_);
        is_released_ = true;
        return std::exchange(thrown_, nullptr);
    }

    // The handler asks.
    void ask(Ask ask) {
        const Lock lock(mutex_);
        ask_ = std::move(ask);
        note(lock);
    }
    // For whoever answers it.
    std::optional<Ask> take_ask() {
        const Lock lock(mutex_);
        std::optional<Ask> ask = std::exchange(ask_, std::nullopt);
        if (ask) was_asked_ = true;
        note(lock);
        return ask;
    }
    // The handler is gone, and its call goes to another worker.
    void forget_ask() {
        const Lock lock(mutex_);
        ask_ = std::nullopt;
        note(lock);
    }
    // Whether a function has been called for it, which cannot be undone.
    bool was_asked() const {
        const Lock lock(mutex_);
        return was_asked_;
    }

private:
    using Lock = std::lock_guard<std::mutex>;

    void note(const Lock&) noexcept { has_news_.store(is_unheard_ || ask_, std::memory_order_release); }

    std::atomic<bool> has_news_{false};
    mutable std::mutex mutex_;  // for everything below
    std::optional<Progress> newest_;
    bool is_unheard_ = false;  // whether the newest has not been given to whoever listens
    bool was_heard_ = false;
    std::exception_ptr thrown_;
    bool is_released_ = false;
    std::optional<Ask> ask_;
    bool was_asked_ = false;
};

}  // namespace tr::detail
