// The host's side of a control segment: its ends of the two rings, and sleeping until the worker has sent something.
// Layout: spec/transport-shm.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <thread>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
#include <emmintrin.h>
#endif

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/handle.h"
#include "tech_renaissance/detail/transport/shm/doorbell.h"
#include "tech_renaissance/detail/transport/shm/ring.h"
#include "tech_renaissance/detail/transport/shm/segment.h"

namespace tr::detail::shm {

inline constexpr std::size_t control_nbytes = 1 << 20;
inline constexpr std::uint64_t layout_version = 4;

// Offsets of words.
inline constexpr std::uint64_t version_word = 8;
inline constexpr std::uint64_t given_up_word = 80;
inline constexpr std::uint64_t host_asleep_word = 128;
inline constexpr std::uint64_t worker_asleep_word = 256;
inline constexpr std::uint64_t threads_word = 336;
inline constexpr std::uint64_t served_word = 384;
inline constexpr std::uint64_t first_slot = 1024;
inline constexpr std::uint64_t slot_nbytes = 32;
inline constexpr std::uint64_t slot_count = 64;
inline constexpr std::uint64_t for_turn = 1;  // in the third word of a slot
inline constexpr RingPlace request_ring = {4096, 64, 200};
inline constexpr RingPlace response_ring = {4096 + ring_nbytes, 192, 72};
inline constexpr std::uint64_t given_up_list = 4096 + 2 * ring_nbytes;
inline constexpr std::uint64_t most_given_up = 256;
// In an entry of that list: the request is not given up, but asked to stop.
inline constexpr std::uint64_t stop_bit = std::uint64_t{1} << 63;

// Every sleep is bounded, so that a lost wake-up causes no more than a delay.
inline constexpr std::chrono::milliseconds longest_sleep(1000);

inline void relax_processor() noexcept {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class ControlSide {
public:
    // look: how long to look each time before going to sleep; nullopt: for as long as looking has paid off.
    explicit ControlSide(std::optional<std::chrono::microseconds> look = std::nullopt)
        : look_(look), writer_(memory_.mapping, request_ring), reader_(memory_.mapping, response_ring) {
        memory_.mapping.word(version_word).store(layout_version, std::memory_order_relaxed);
        std::memcpy(memory_.mapping.at(0), "TRCTRL\0", 8);
    }

    SharedHandle descriptor() const noexcept { return memory_.segment.descriptor(); }
    RingWriter& writer() noexcept { return writer_; }
    RingReader& reader() noexcept { return reader_; }
    Doorbell& doorbell() noexcept { return doorbell_; }

    // Puts an entry into the list of requests that the host has given up. One thread at a time.
    void list(std::uint64_t new_entry) noexcept {
        Word& count = memory_.mapping.word(given_up_word);
        const std::uint64_t number = count.load(std::memory_order_relaxed);
        Word& entry = memory_.mapping.word(given_up_list + 8 * (number % most_given_up));
        entry.store(new_entry, std::memory_order_relaxed);
        count.store(number + 1, std::memory_order_release);
    }

    // What the worker says about a request that it has begun.
    struct Slot {
        std::uint64_t since_ns;  // of the monotonic clock
        bool is_suspended;
    };
    std::optional<Slot> begun(std::int64_t id) const noexcept {
        for (std::uint64_t slot = first_slot; slot < first_slot + slot_count * slot_nbytes; slot += slot_nbytes) {
            if (memory_.mapping.word(slot).load(std::memory_order_acquire) != static_cast<std::uint64_t>(id)) continue;
            const bool waits_for_turn = memory_.mapping.word(slot + 16).load(std::memory_order_relaxed) == for_turn;
            // The request in the first slot has the worker, others are there when it has not.
            const bool other_runs =
                slot != first_slot && memory_.mapping.word(first_slot).load(std::memory_order_relaxed) != 0;
            return Slot{memory_.mapping.word(slot + 8).load(std::memory_order_relaxed), waits_for_turn || other_runs};
        }
        return std::nullopt;
    }

    // How many requests the worker has served.
    std::uint64_t served() const noexcept { return memory_.mapping.word(served_word).load(std::memory_order_acquire); }

    // Rings if the worker is asleep. Call it after publishing a new head, or a new tail in a crowded ring.
    void wake_worker() noexcept {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (memory_.mapping.word(worker_asleep_word).load(std::memory_order_relaxed) == 0) return;
        doorbell_.ring();
        may_share_.store(true, std::memory_order_relaxed);
    }

    // Looks for a frame for a bounded time, without sleeping; true if there is one. After a failure, the next 1, 3, 7,
    // then 15 looks are skipped, because a side that waits long should not take the processor from the one it waits
    // for.
    bool look() {
        if (skips_ > 0) {
            --skips_;
            return reader_.has_frame();
        }
        give_way();
        const Clock::time_point end = Clock::now() + look_time();
        do {
            for (int i = 0; i < 64; ++i) {
                if (reader_.has_frame()) {
                    penalty_ = 0;
                    return true;
                }
                relax_processor();
            }
        } while (Clock::now() < end);
        if (!look_) skips_ = penalty_ = std::min(2 * penalty_ + 1, most_skips);
        return false;
    }

    // Sleeps until something happens, at most `timeout`; true if it did.
    bool sleep(std::chrono::milliseconds timeout, WaitHandle exit) {
        doorbell_.forget_rings();
        const bool happened = !begin_sleep() || doorbell_.wait(std::min(timeout, longest_sleep), exit);
        wake_up();
        return happened;
    }

    // From now on the worker rings; false if something has happened already.
    bool begin_sleep() noexcept {
        memory_.mapping.word(host_asleep_word).store(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return !reader_.has_frame() && !writer_.has_new_room();
    }
    // From now on it does not, and what it has rung is forgotten.
    void end_sleep() noexcept {
        wake_up();
        doorbell_.forget_all_rings();
    }

private:
    static constexpr int most_skips = 15;

    void wake_up() noexcept {
        memory_.mapping.word(host_asleep_word).store(0, std::memory_order_relaxed);
        may_share_.store(true, std::memory_order_relaxed);
    }

    // Yields the processor once after a wake-up: the worker may have been put on our processor, where it would have to
    // wait.
    void give_way() noexcept {
        if (!may_share_.load(std::memory_order_relaxed)) return;
        may_share_.store(false, std::memory_order_relaxed);
        std::this_thread::yield();
    }

    // Longer if the worker's threads leave us a processor; not at all if there is only one.
    std::chrono::microseconds look_time() const {
        if (look_) return *look_;
        static const unsigned processors = std::thread::hardware_concurrency();
        if (processors < 2) return std::chrono::microseconds(0);
        const std::uint64_t threads = memory_.mapping.word(threads_word).load(std::memory_order_relaxed);
        return std::chrono::microseconds(threads < processors ? 500 : 50);
    }

    const std::optional<std::chrono::microseconds> look_;
    MappedSegment memory_{control_nbytes};
    RingWriter writer_;
    RingReader reader_;
    Doorbell doorbell_;
    std::atomic<bool> may_share_{false};  // whether the worker may be on our processor
    int penalty_ = 0;
    int skips_ = 0;
};

}  // namespace tr::detail::shm
