// The arena's books against a simple model.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/system/copy.h"
#include "tech_renaissance/detail/transport/shm/arena.h"

using tr::ArenaFull;
namespace shm = tr::detail::shm;

namespace {

struct ArenaFixture {
    std::shared_ptr<shm::Arena> arena = std::make_shared<shm::Arena>(shm::Segment::arena(std::uint64_t{64} << 20));
    std::vector<shm::BlockPtr> held;
    // What the other side has: offset and size -> lease.
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> lent;

    // As a reader that has nothing mapped.
    void give_back(std::uint64_t offset, std::uint64_t lease) { arena->segment().store(offset, lease); }

    std::map<std::uint64_t, std::uint64_t> taken() const {
        std::map<std::uint64_t, std::uint64_t> taken;
        for (const auto& block : held) taken[block->offset()] = block->nbytes();
        for (const auto& [place, lease] : lent) taken[place.first] = place.second;
        return taken;
    }

    void allocate(std::uint64_t nbytes) {
        const auto before = taken();
        const shm::BlockPtr block = arena->allocate(nbytes);
        CHECK(block->nbytes() >= nbytes + shm::block_prefix_nbytes);
        CHECK(arena->segment().can_hold(block->offset(), block->offset() + block->nbytes()));
        for (const auto& [offset, size] : before) {
            CHECK(block->offset() >= offset + size || offset >= block->offset() + block->nbytes());
        }
        held.push_back(block);
    }

    void step(std::mt19937_64& random) {
        const std::size_t which = held.empty() ? 0 : random() % held.size();
        switch (random() % 8) {
            case 0:
            case 1:
            case 2: allocate(random() % (std::uint64_t{1} << random() % 21)); break;
            case 3:
                if (!held.empty())
                    lent[{held[which]->offset(), held[which]->nbytes()}] = arena->lend(*held[which]).lease;
                break;
            case 4:
            case 5:
                if (!held.empty()) held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
                break;
            case 6:
                if (!lent.empty()) {
                    give_back(lent.begin()->first.first, lent.begin()->second);
                    lent.erase(lent.begin());
                }
                break;
            default:
                if (random() % 20 == 0) {
                    arena->forget_leases();
                    lent.clear();
                }
        }
    }
};

}  // namespace

TEST("what is copied for others is copied whole, at any size and from any address") {
    const std::size_t least = 16 << 10;
    std::vector<char> from(least + 300);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<char>(i * 7 + i / 251);
    alignas(64) static char to[least + 300];
    for (const std::size_t nbytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{1000}, least - 1, least, least + 1, least + 63, least + 200}) {
        for (const std::size_t start : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{64}}) {
            std::memset(to, 0x55, sizeof to);
            tr::detail::copy_for_others(to, from.data() + start, nbytes);
            CHECK(std::memcmp(to, from.data() + start, nbytes) == 0);
            CHECK_EQ(0x55, to[nbytes]);
        }
    }
}

TEST("whatever is allocated, lent, released and returned, live blocks never overlap and the books add up") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        std::mt19937_64 random(seed);
        ArenaFixture f;
        for (int i = 0; i < 300; ++i) {
            f.step(random);
            std::uint64_t live = 0;
            for (const auto& [offset, size] : f.taken()) live += size;
            const auto [counted, committed] = f.arena->usage();
            CHECK_EQ(live, counted);
            CHECK(live <= committed);
        }
    }
}

TEST("a block is used again only when both sides have let go") {
    ArenaFixture f;
    shm::BlockPtr block = f.arena->allocate(1000);
    const std::uint64_t offset = block->offset();
    const std::uint64_t first = f.arena->lend(*block).lease;
    const std::uint64_t second = f.arena->lend(*block).lease;
    f.give_back(offset, second);
    f.allocate(1000);
    CHECK(offset != f.held.back()->offset());
    f.give_back(offset, first);  // an old lease is not the one that counts
    block = nullptr;
    f.allocate(1000);
    CHECK(offset != f.held.back()->offset());
    f.give_back(offset, second);
    CHECK_EQ(offset, f.arena->allocate(1000)->offset());
}

TEST("blocks may be let go of in other threads") {
    ArenaFixture f;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&f, thread] {
            std::mt19937_64 random(thread);
            for (int i = 0; i < 2000; ++i) {
                const shm::BlockPtr block = f.arena->allocate(random() % 100000);
                *block->contents() = static_cast<std::byte>(thread);
                std::this_thread::yield();
                CHECK(*block->contents() == static_cast<std::byte>(thread));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(0, f.arena->usage().first);
}

TEST("a full arena says so, and can be used on") {
    ArenaFixture f;
    CHECK_THROWS(ArenaFull, "arena_full", f.arena->allocate(std::uint64_t{65} << 20));
    CHECK_THROWS(ArenaFull, "arena_full", f.arena->allocate(~std::uint64_t{0} >> 1));
    for (int i = 0; i < 4; ++i) f.held.push_back(f.arena->allocate(15 << 20));
    CHECK_THROWS(ArenaFull, "arena_full", f.arena->allocate(15 << 20));
    f.held.pop_back();
    CHECK(f.arena->allocate(15 << 20) != nullptr);
}

TEST("each window is as large as all before it, and no block reaches over a border") {
    constexpr std::uint64_t first = shm::first_window_nbytes;
    std::uint64_t end = 0;
    for (std::size_t number = 0; number < 18; ++number) {
        CHECK_EQ(end, shm::window_begin(number));
        CHECK(shm::is_window_begin(end));
        CHECK_EQ(number, shm::window_number(end));
        CHECK_EQ(number, shm::window_number(end + first - 1));
        end = number == 0 ? first : 2 * end;
        CHECK_EQ(end, shm::window_end(end - 1));
    }
    CHECK(!shm::is_window_begin(3 * first));
    CHECK(!shm::is_window_begin(first - 64));
    ArenaFixture f;
    for (int i = 0; i < 9; ++i) {
        const shm::BlockPtr block = f.arena->allocate(5 << 20);
        CHECK(block->offset() + block->nbytes() <= shm::window_end(block->offset()));
        f.held.push_back(block);
    }
}

TEST("what the other side has returned is found in few looks among any number of blocks") {
    shm::LentBlocks blocks;
    for (std::uint64_t number = 0; number < 20000; ++number) blocks.add({nullptr, number, 1});
    std::size_t looks = 0;
    const auto find = [&](std::uint64_t returned) {
        looks = 0;
        const auto block = blocks.take_returned(12, [&](const auto& candidate) {
            ++looks;
            return candidate.offset == returned;
        });
        return block.has_value();
    };
    CHECK(find(19998));
    CHECK(looks <= 4);
    CHECK(find(0));  // the oldest
    CHECK(looks <= 5);
    CHECK(find(1));
    CHECK(looks <= 5);
    CHECK(!find(20000));
    CHECK(looks <= 16);
    int searches = 1;
    for (; !find(10000); ++searches) CHECK(looks <= 16);
    CHECK(searches <= 20000 / 12);
}

TEST("size classes waste at most an eighth") {
    for (const std::uint64_t nbytes : {1ull, 255ull, 256ull, 257ull, 4096ull, 65537ull, 1000000007ull, 1ull << 62}) {
        CHECK(shm::size_class(nbytes) >= nbytes);
        CHECK(shm::size_class(nbytes) <= std::max(nbytes + nbytes / 8, nbytes + 255));
        CHECK_EQ(0, shm::size_class(nbytes) % 256);
    }
}

#else
#include "check.h"
#include "tech_renaissance/detail/system/copy.h"
#endif
