// One direction of frames through a control segment. Layout and ordering: spec/transport-shm.md, Rings.
//
// The other side may overwrite the bytes at any moment, so a frame is copied out before anything in it is trusted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/detail/transport/shm/segment.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"

namespace tr::detail::shm {

inline constexpr std::uint64_t ring_nbytes = 262144;
inline constexpr std::uint64_t least_frame_nbytes = 8;  // a Pad; every other frame has a whole header
inline constexpr std::uint64_t frame_header_nbytes = 16;

// Where a ring is in the control segment: its bytes, and the words with its head and tail.
struct RingPlace {
    std::uint64_t start;
    std::uint64_t head;
    std::uint64_t tail;
};

class RingWriter {
public:
    RingWriter(const Mapping& control, const RingPlace& place)
        : bytes_(control.at(place.start)), head_word_(control.word(place.head)), tail_word_(control.word(place.tail)) {}

    // Whether a frame of up to `nbytes` could be written now, wherever the ring wraps.
    bool has_room(std::uint64_t nbytes) { return fits(2 * nbytes); }

    // Whether the reader has taken something since there was last no room. True only once for each time.
    bool has_new_room() {
        if (!full_ || tail_word_.load(std::memory_order_acquire) == full_at_) return false;
        full_ = false;
        return true;
    }

    // Copies in a frame, whose size is a multiple of 8, and publishes it; false if there is no room.
    bool try_write(std::string_view frame) {
        const std::uint64_t position = head_ % ring_nbytes;
        const std::uint64_t to_end = ring_nbytes - position;
        const std::uint64_t padding = frame.size() > to_end ? to_end : 0;
        if (!fits(padding + frame.size())) return false;
        if (padding != 0) std::memcpy(bytes_ + position, &padding, 8);  // a Pad: its size, and kind 0
        std::memcpy(bytes_ + (padding != 0 ? 0 : position), frame.data(), frame.size());
        head_ += padding + frame.size();
        head_word_.store(head_, std::memory_order_release);
        return true;
    }

private:
    bool fits(std::uint64_t nbytes) {
        const std::uint64_t tail = tail_word_.load(std::memory_order_acquire);
        if (head_ + nbytes - tail <= ring_nbytes) return true;
        full_ = true;
        full_at_ = tail;
        return false;
    }

    std::byte* bytes_;
    Word& head_word_;
    Word& tail_word_;
    std::uint64_t head_ = 0;
    bool full_ = false;          // whether there was no room, and none has been noticed since
    std::uint64_t full_at_ = 0;  // the tail at that time
};

class RingReader {
public:
    RingReader(const Mapping& control, const RingPlace& place)
        : bytes_(control.at(place.start)), head_word_(control.word(place.head)), tail_word_(control.word(place.tail)) {}

    bool has_frame() const { return head_word_.load(std::memory_order_acquire) != tail_; }

    // Copies the next frame into `frame`; false if there is none. It stays in the ring until release(), or the next
    // read(). Throws RemoteProtocolError broken_ring if nothing more can be read.
    bool read(std::string& frame) {
        if (released_ != tail_) release();  // not always: the other side looks at this line
        while (true) {
            const std::uint64_t available = head_word_.load(std::memory_order_acquire) - tail_;
            if (available == 0) return false;
            const std::uint64_t position = tail_ % ring_nbytes;
            std::uint32_t size = 0;
            std::memcpy(&size, bytes_ + position, sizeof size);
            const bool possible = size >= least_frame_nbytes && size <= available && available <= ring_nbytes &&
                                  size % 8 == 0 && position + size <= ring_nbytes;
            if (!possible) throw_broken("a frame of an impossible size");
            frame.assign(reinterpret_cast<const char*>(bytes_ + position), size);
            tail_ += size;
            if (size >= frame_header_nbytes && frame[4] != 0) return true;
            // Else it is a Pad, which must end the ring; a chain of Pads could go on forever.
            if (frame[4] != 0 || position + size != ring_nbytes || position == 0)
                throw_broken("padding in the wrong place");
        }
    }

    // What was read has been dealt with, and its bytes may be overwritten.
    void release() {
        released_ = tail_;
        tail_word_.store(tail_, std::memory_order_release);
    }

    // For a thread that does not read: calls see(kind, id) for each frame in the ring. False if another thread has read
    // meanwhile, or the ring is broken: then what was seen counts for nothing.
    template <class See>
    bool look_through(See see) const {
        const std::uint64_t tail = tail_word_.load(std::memory_order_acquire);
        const std::uint64_t head = head_word_.load(std::memory_order_acquire);
        if (head - tail > ring_nbytes) return false;
        std::uint64_t position = tail;
        while (position < head) {
            const std::byte* frame = bytes_ + position % ring_nbytes;
            std::uint32_t size = 0;
            std::uint16_t kind = 0;
            std::memcpy(&size, frame, sizeof size);
            std::memcpy(&kind, frame + sizeof size, sizeof kind);
            if (size < least_frame_nbytes || size % 8 != 0) return false;
            std::uint64_t id = 0;  // a Pad has none
            if (kind != 0 && position % ring_nbytes + frame_header_nbytes <= ring_nbytes)
                std::memcpy(&id, frame + 8, sizeof id);
            see(kind, id);
            position += size;
        }
        std::atomic_thread_fence(std::memory_order_acquire);
        return position == head && tail_word_.load(std::memory_order_relaxed) == tail;
    }

    // Whether the writer may be waiting for room.
    bool is_crowded() const { return head_word_.load(std::memory_order_relaxed) - tail_ > ring_nbytes / 4; }

private:
    [[noreturn]] static void throw_broken(const char* what) {
        throw RemoteProtocolError(broken_ring, std::string("the ring is broken: ") + what);
    }

    const std::byte* bytes_;
    Word& head_word_;
    Word& tail_word_;
    std::uint64_t tail_ = 0;      // where the next frame begins
    std::uint64_t released_ = 0;  // what the tail word says
};

}  // namespace tr::detail::shm
