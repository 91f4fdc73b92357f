// The threads that see deadlines pass.
#include "tech_renaissance/detail/host/deadline_watch.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#if !defined(_WIN32)
#include "no_threads.h"
#endif

using tr::LaunchError;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::CallPtr;
using tr::detail::deadline_after;
using tr::detail::DeadlineWatch;
using tr::detail::EndReason;
using namespace std::chrono_literals;

namespace {

// Of calls made with it, counts those whose memory has not been given back.
template <class T>
struct Counting {
    using value_type = T;
    std::shared_ptr<std::size_t> count;

    explicit Counting(std::shared_ptr<std::size_t> its_count) : count(std::move(its_count)) {}
    template <class U>
    Counting(const Counting<U>& other) : count(other.count) {}
    T* allocate(std::size_t n) {
        ++*count;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) {
        --*count;
        std::allocator<T>().deallocate(memory, n);
    }
};

template <class... Args>
CallPtr make_call(std::int64_t id, std::chrono::milliseconds deadline, const Args&... allocator) {
    CallPtr call;
    if constexpr (sizeof...(allocator) == 0)
        call = std::make_shared<Call>();
    else
        call = std::allocate_shared<Call>(allocator...);
    call->request.id = id;
    call->set_deadline(deadline_after(deadline));
    return call;
}

}  // namespace

TEST("deadlines pass in their order, each at its time, whatever the order in which they came") {
    std::mutex mutex;
    std::vector<std::int64_t> passed;
    const auto begin = tr::detail::Clock::now();
    {
        std::vector<CallPtr> calls;
        std::atomic<int> left{3};
        DeadlineWatch watch([&](const CallPtr& call, EndReason why) {
            CHECK(why == EndReason::deadline && call->is_overdue());
            const std::lock_guard<std::mutex> lock(mutex);
            passed.push_back(*call->request.id);
            --left;
            return true;
        });
        watch.prepare();
        for (const std::int64_t id : {3, 1, 2, 4, 5}) {
            const auto call = std::make_shared<Call>();
            call->request.id = id;
            call->set_deadline(begin + id * 20ms);
            if (id == 4) call->fail(nullptr);
            watch.add(call);
            if (id != 5) calls.push_back(call);
        }
        while (left > 0) std::this_thread::yield();
    }
    CHECK((passed == std::vector<std::int64_t>{1, 2, 3}));
}

TEST("a deadline that could not be seen to is seen to again") {
    std::atomic<int> seen{0};
    DeadlineWatch watch([&](const CallPtr& call, EndReason) {
        if (++seen == 1) throw std::bad_alloc();
        if (seen == 2) throw WorkerLost("worker_lost", "it cannot be reached");
        if (seen == 3) return false;
        call->fail(nullptr);
        return true;
    });
    watch.prepare();
    const auto call = std::make_shared<Call>();
    call->request.id = 1;
    call->set_deadline(deadline_after(0ms));
    watch.add(call);
    while (seen < 4) std::this_thread::yield();
}

TEST("a call that is cancelled is ended at once, before what has a deadline") {
    std::atomic<int> seen{0};
    DeadlineWatch watch([&](const CallPtr& call, EndReason why) {
        CHECK(why == EndReason::cancel && *call->request.id == 2);
        ++seen;
        return true;
    });
    watch.prepare();
    const auto later = std::make_shared<Call>();
    later->request.id = 1;
    later->set_deadline(deadline_after(1h));
    watch.add(later);
    const auto cancelled = std::make_shared<Call>();
    cancelled->request.id = 2;
    watch.cancel(cancelled);
    while (seen < 1) std::this_thread::yield();
}

#if defined(__GLIBC__)
TEST("without a thread there is no watch over deadlines, until there is one") {
    DeadlineWatch watch([](const CallPtr&, EndReason) { return true; });
    {
        const NoThreads none;
        CHECK_THROWS(LaunchError, "launch_failed", watch.prepare());
    }
    watch.prepare();
}
#endif

TEST("a watch over deadlines that are far away ends at once") {
    DeadlineWatch watch([](const CallPtr&, EndReason) { return CHECK(false), true; });
    watch.prepare();
    const auto call = std::make_shared<Call>();
    call->request.id = 1;
    call->set_deadline(deadline_after(1h));
    watch.add(call);
}

TEST("a call that is over is not kept until its deadline, nor is what it has come to") {
    DeadlineWatch watch([](const CallPtr&, EndReason) { return CHECK(false), true; });
    watch.prepare();
    const auto count = std::make_shared<std::size_t>(0);
    const Counting<Call> counting(count);
    const CallPtr kept = make_call(0, 1h, counting);
    watch.add(kept);
    std::vector<CallPtr> done;
    for (std::int64_t id = 1; id < 1000; ++id) {
        CallPtr call = make_call(id, 1h, counting);
        watch.add(call);
        const std::weak_ptr<Call> weak = call;
        if (id % 2 == 0) {  // whoever made it keeps the result
            call->fail(nullptr);
            done.push_back(call);
        }
        call = nullptr;
        CHECK_EQ(id % 2 != 0, weak.expired());
    }
    CHECK(*count < done.size() + 100);
    done.clear();
    CHECK(*count < 100);
}

TEST("a call that is let go of while it is being ended is destroyed without a lock") {
    std::atomic<bool> was_ended{false};
    std::atomic<bool> may_go_on{false};
    DeadlineWatch watch([&](const CallPtr&, EndReason) {
        was_ended = true;
        while (!may_go_on) std::this_thread::yield();
        return true;
    });
    watch.prepare();
    std::atomic<bool> is_destroyed{false};
    const CallPtr other = make_call(2, 1h);
    CallPtr call = make_call(1, 0ms);
    std::shared_ptr<void> owned(nullptr, [&](void*) {
        watch.add(other);  // takes the lock
        is_destroyed = true;
    });
    call->on_progress = [owned = std::move(owned)](const tr::Progress&) {};
    watch.add(call);
    while (!was_ended) std::this_thread::yield();
    call = nullptr;
    may_go_on = true;
    while (!is_destroyed) std::this_thread::yield();
}
