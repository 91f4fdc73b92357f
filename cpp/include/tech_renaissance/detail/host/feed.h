// The input of a call: how many values its worker takes at the moment. spec/protocol.md, Input streams.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tech_renaissance/detail/host/items.h"

namespace tr::detail {

// Thread-safe; one thread at a time may take credit.
class Feed {
public:
    Feed() { ++there_are(); }
    ~Feed() { --there_are(); }
    Feed(const Feed&) = delete;
    Feed& operator=(const Feed&) = delete;

    // This thread is the one that gives the worker its values.
    void hold() noexcept { holder_ = this_thread(); }
    bool is_held_here() const noexcept { return !has_ended_ && holder_ == this_thread(); }
    // Whether there is any input at all in this program.
    static bool exists() noexcept { return there_are() != 0; }

    // Whether a value may be sent.
    bool has_credit() const noexcept { return !has_ended_ && sent_ < granted_; }

    // The worker takes so many more.
    void grant(std::uint32_t count) noexcept { granted_ += count; }

    // A value is about to be taken from the program, which cannot give it again.
    void begin_taking() noexcept { was_taken_from_ = true; }
    // A value, or the end, is being sent.
    void take_credit() noexcept {
        begin_taking();
        ++sent_;
    }
    // It was not sent.
    void return_credit() noexcept { --sent_; }
    void end() noexcept {
        begin_taking();
        has_ended_ = true;
    }
    bool has_ended() const noexcept { return has_ended_; }

    // Whether it is not whole any more, so that no other worker can begin again.
    bool was_taken_from() const noexcept { return was_taken_from_; }

private:
    static std::atomic<std::size_t>& there_are() noexcept {
        static std::atomic<std::size_t> count{0};
        return count;
    }

    // Unlike the system's ids of threads, never given to another.
    static std::uint64_t this_thread() noexcept {
        static std::atomic<std::uint64_t> last{0};
        static thread_local const std::uint64_t number = ++last;
        return number;
    }

    std::atomic<std::uint64_t> granted_{first_credit};
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<bool> was_taken_from_{false};
    std::atomic<bool> has_ended_{false};
    std::atomic<std::uint64_t> holder_{0};
};

// The values of an input that have not been sent, because all of them are sent at once.
struct GatheredInput {
    std::string json;  // separated by commas
    std::size_t count = 0;
};

}  // namespace tr::detail
