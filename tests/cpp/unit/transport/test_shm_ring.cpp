// The ring against a simple model: frames come out whole, once, in order; what cannot be is refused.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/transport/shm/control.h"
#include "tech_renaissance/detail/transport/shm/ring.h"

using tr::RemoteProtocolError;
namespace shm = tr::detail::shm;

namespace {

// Both ends on one segment.
struct Ring {
    shm::MappedSegment control{shm::control_nbytes};
    shm::RingWriter writer{control.mapping, shm::request_ring};
    shm::RingReader reader{control.mapping, shm::request_ring};

    std::string read() {
        std::string frame;
        const bool came = reader.read(frame);
        reader.release();
        return came ? frame : "";
    }
    void set_size(std::uint32_t size, std::uint64_t position = 0) {
        std::memcpy(control.mapping.at(shm::request_ring.start + position), &size, sizeof size);
    }
    void set_head(std::uint64_t head) { control.mapping.word(shm::request_ring.head).store(head); }
};

// A frame of so many bytes that can be told from others.
std::string frame(std::uint64_t number, std::size_t nbytes) {
    std::string bytes(nbytes, static_cast<char>(number % 251));
    const auto size = static_cast<std::uint32_t>(nbytes);
    const std::uint32_t kind = 1;
    std::memcpy(&bytes[0], &size, 4);
    std::memcpy(&bytes[4], &kind, 4);
    std::memcpy(&bytes[8], &number, 8);
    return bytes;
}

}  // namespace

TEST("what was read stays in the ring until it is released, and others can look through that") {
    Ring ring;
    std::vector<std::pair<std::uint16_t, std::uint64_t>> seen;
    const auto look = [&] {
        seen.clear();
        return ring.reader.look_through([&](std::uint16_t kind, std::uint64_t id) { seen.emplace_back(kind, id); });
    };
    CHECK(look() && seen.empty());
    for (std::uint64_t number = 1; number <= 3; ++number) CHECK(ring.writer.try_write(frame(number, 64)));
    std::string bytes;
    CHECK(ring.reader.read(bytes));
    CHECK(look());
    CHECK_EQ(3u, seen.size());
    CHECK(seen.at(0) == std::make_pair(std::uint16_t{1}, std::uint64_t{1}));
    ring.reader.release();
    CHECK(look());
    CHECK_EQ(2u, seen.size());
    CHECK_EQ(2u, seen.at(0).second);
    CHECK(ring.reader.read(bytes));
    CHECK(ring.reader.read(bytes));
    ring.reader.release();
    CHECK(look() && seen.empty());
}

TEST("who looks through a ring while another thread reads, or that is broken, is told so") {
    Ring ring;
    for (std::uint64_t number = 1; number <= 2; ++number) CHECK(ring.writer.try_write(frame(number, 64)));
    CHECK(!ring.reader.look_through([&](std::uint16_t, std::uint64_t) { ring.read(); }));
    for (const std::uint32_t size : {0u, 4u, 12u, 1u << 20, ~0u - 7}) {
        Ring broken;
        CHECK(broken.writer.try_write(frame(1, 64)));
        broken.set_size(size);
        CHECK(!broken.reader.look_through([](std::uint16_t, std::uint64_t) {}));
    }
    ring.set_head(~std::uint64_t{0} - 7);
    CHECK(!ring.reader.look_through([](std::uint16_t, std::uint64_t) {}));
}

TEST("frames of all sizes come out as they went in, around the ring's end many times") {
    Ring ring;
    std::deque<std::string> queue;
    std::mt19937_64 random(1);
    for (std::uint64_t number = 0; number < 20000; ++number) {
        if (random() % 2 == 0) {
            const std::string written = frame(number, 8 * (2 + random() % 8191));
            if (ring.writer.try_write(written)) queue.push_back(written);
        } else {
            CHECK_EQ(queue.empty() ? "" : queue.front(), ring.read());
            if (!queue.empty()) queue.pop_front();
        }
    }
    while (!queue.empty()) {
        CHECK_EQ(queue.front(), ring.read());
        queue.pop_front();
    }
    CHECK_EQ("", ring.read());
}

TEST("a writer and a reader in two threads lose, double and tear nothing") {
    Ring ring;
    constexpr std::uint64_t count = 20000;
    std::thread writer([&] {
        std::mt19937_64 random(2);
        for (std::uint64_t number = 0; number < count; ++number) {
            const std::string next = frame(number, 8 * (2 + random() % 500));
            while (!ring.writer.try_write(next)) std::this_thread::yield();
        }
    });
    std::mt19937_64 random(2);
    for (std::uint64_t number = 0; number < count; ++number) {
        std::string read = ring.read();
        while (read.empty()) {
            std::this_thread::yield();
            read = ring.read();
        }
        CHECK(read == frame(number, 8 * (2 + random() % 500)));
    }
    writer.join();
}

TEST("a full ring refuses frames until something is read, and says once that there is room") {
    Ring ring;
    while (ring.writer.try_write(frame(1, 60000))) {
    }
    CHECK(!ring.writer.has_room(60000));
    CHECK(!ring.writer.has_new_room());
    CHECK_EQ(60000, ring.read().size());
    CHECK(ring.writer.has_new_room());
    CHECK(!ring.writer.has_new_room());
    CHECK(ring.reader.is_crowded());
    while (!ring.read().empty()) {
    }
    CHECK(!ring.reader.is_crowded());
    CHECK(ring.writer.try_write(frame(2, 60000)));
}

TEST("a frame of an impossible size breaks the ring") {
    for (const std::uint32_t size : {0u, 4u, 7u, 12u, 72u, 262144u, 0xfffffff8u}) {
        Ring ring;
        ring.writer.try_write(frame(1, 64));
        ring.set_size(size);
        for (int times = 0; times < 2; ++times) CHECK_THROWS(RemoteProtocolError, "broken_ring", ring.read());
    }
}

TEST("an impossible head breaks the ring") {
    for (const std::uint64_t head : {1ull, 7ull, 262152ull, 1ull << 63, ~0ull - 7}) {
        Ring ring;
        ring.set_size(64);
        ring.set_head(head);
        CHECK_THROWS(RemoteProtocolError, "broken_ring", ring.read());
    }
}

TEST("padding is at the ring's end, and followed by a frame") {
    Ring endless;
    for (std::uint64_t position = 0; position < shm::ring_nbytes; position += 8) endless.set_size(8, position);
    endless.set_head(shm::ring_nbytes);
    CHECK_THROWS(RemoteProtocolError, "broken_ring", endless.read());

    Ring whole;
    whole.set_size(shm::ring_nbytes);
    whole.set_head(shm::ring_nbytes);
    CHECK_THROWS(RemoteProtocolError, "broken_ring", whole.read());
}

#else
#include "check.h"
#endif
