// The items of a call that streams: spec/protocol.md, Streams.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "tech_renaissance/body.h"

namespace tr::detail {

// How many values of a stream, or an input, may be sent before any is taken.
inline constexpr std::uint64_t first_credit = 16;

// What has come and was not taken, and how much may come. Thread-safe.
class Items {
public:
    // Whether none is there to be taken. Takes no lock.
    bool empty() const noexcept { return is_empty_; }

    // An item has come; false if there was no credit for it.
    bool add(Body item) {
        const Lock lock(mutex_);
        if (taken_ + items_.size() >= granted_) return false;
        items_.push_back(std::move(item));
        is_empty_ = false;
        return true;
    }

    // The next one; nullopt if none is there.
    std::optional<Body> take() {
        const Lock lock(mutex_);
        if (items_.empty()) return std::nullopt;
        std::optional<Body> item(std::move(items_.front()));
        items_.pop_front();
        is_empty_ = items_.empty();
        ++taken_;
        ++owed_;
        return item;
    }

    // Whether it is time to tell the worker that it may send more. Takes no lock.
    bool owes() const noexcept { return owed_ >= credit_step; }

    // How many more the worker is being told that it may send.
    std::uint32_t grant() {
        const Lock lock(mutex_);
        granted_ += owed_;
        return owed_.exchange(0);
    }
    // It could not be told.
    void take_back(std::uint32_t count) {
        const Lock lock(mutex_);
        granted_ -= count;
        owed_ += count;
    }

    // Forgets what has come, because another worker begins again; false if some of it has been taken.
    bool restart() {
        const Lock lock(mutex_);
        if (taken_ != 0) return false;
        clear(lock);
        granted_ = first_credit;
        return true;
    }

    void clear() { clear(Lock(mutex_)); }

private:
    using Lock = std::lock_guard<std::mutex>;

    // How many more a worker is told of at a time.
    static constexpr std::uint32_t credit_step = 8;

    void clear(const Lock&) {
        items_.clear();
        is_empty_ = true;
    }

    std::mutex mutex_;
    std::deque<Body> items_;
    std::atomic<bool> is_empty_{true};
    std::uint64_t taken_ = 0;
    std::uint64_t granted_ = first_credit;
    std::atomic<std::uint32_t> owed_{0};
};

}  // namespace tr::detail
