// The exchange and the handle that a program's event loop waits for.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "exchange_fixture.h"
#include "handles.h"

using exchange_fixture::ReadyFixture;
using tr::WorkerLost;
using tr::detail::Beacon;
using tr::detail::CallPtr;
using namespace std::chrono_literals;

namespace {

// An exchange whose beacon is open.
struct LitFixture : ReadyFixture {
    LitFixture() : handle(beacon->open()) { exchange.attach(); }

    // Waits for the beacon, since it may take a moment.
    bool shines() const { return is_ready(handle, 1min); }
    bool is_dark() const { return !is_ready(handle); }
    void dispatch() {
        Beacon::Dispatch turn(*beacon);
        exchange.dispatch();
        turn.run_tasks();
    }

    const tr::detail::WaitHandle handle;
};

}  // namespace

TEST("the beacon shines when something comes, until that has been dispatched") {
    LitFixture f;
    const CallPtr call = f.sent(1);
    CHECK(f.is_dark());
    f.transport.say_reply(1, "result");
    CHECK(f.shines());
    f.dispatch();
    CHECK(call->done());
    CHECK(f.is_dark());
}

TEST("the beacon shines for what came before it was opened") {
    ReadyFixture f;
    f.sent(1);
    f.transport.say_reply(1, "result");
    const auto handle = f.beacon->open();
    f.exchange.attach();
    CHECK(is_ready(handle, 1min));
}

TEST("a thread that waits leaves the beacon armed") {
    LitFixture f;
    const CallPtr first = f.sent(1);
    const CallPtr second = f.sent(2);
    f.transport.say_reply(1, "result");
    CHECK_EQ("result", f.result(first));
    CHECK(f.is_dark());
    f.transport.say_reply(2, "another");
    CHECK(f.shines());
    f.dispatch();
    CHECK(second->done());
}

TEST("what a thread that waits leaves unread makes the beacon shine") {
    LitFixture f;
    const CallPtr first = f.sent(1);
    f.sent(2);
    f.transport.say_reply(1, "result");
    f.transport.say_reply(2, "another");
    CHECK_EQ("result", f.result(first));
    CHECK(f.shines());
}

TEST("a dispatch leaves the rest for the next one if there is much") {
    LitFixture f;
    std::vector<CallPtr> calls;
    for (int i = 1; i <= 99; ++i) calls.push_back(f.sent(i));
    for (int i = 1; i <= 99; ++i) f.transport.say_reply(i, "result");
    f.dispatch();
    CHECK(calls.front()->done());
    CHECK(!calls.back()->done());
    CHECK(f.shines());
    f.dispatch();
    CHECK(calls.back()->done());
    CHECK(f.is_dark());
}

TEST("the end of the worker makes the beacon shine, once") {
    LitFixture f;
    const CallPtr call = f.sent(1);
    f.end();
    CHECK(f.shines());
    f.dispatch();
    CHECK_THROWS(WorkerLost, "worker_lost", call->take());
    CHECK(f.is_dark());
}

TEST("a callback waits for a dispatch, whoever has read the answer") {
    LitFixture f;
    const CallPtr call = f.sent(1);
    bool is_called = false;
    call->when_done(f.beacon, [&] { is_called = true; });
    f.transport.say_reply(1, "result");
    CHECK(f.exchange.wait(call, 1min));
    CHECK(!is_called);
    CHECK(f.shines());
    f.dispatch();
    CHECK(is_called);
    CHECK(f.is_dark());
}

TEST("a callback of a call that is done comes with the next dispatch") {
    LitFixture f;
    const CallPtr call = f.sent(1);
    f.transport.say_reply(1, "result");
    CHECK(f.exchange.wait(call, 1min));
    bool is_called = false;
    call->when_done(f.beacon, [&] { is_called = true; });
    CHECK(f.shines());
    f.dispatch();
    CHECK(is_called);
}

TEST("what a callback throws leaves the others for the next dispatch") {
    LitFixture f;
    bool is_called = false;
    f.beacon->add([] { throw std::runtime_error("thrown"); });
    f.beacon->add([&] { is_called = true; });
    bool was_thrown = false;
    try {
        f.dispatch();
    } catch (const std::runtime_error&) {
        was_thrown = true;
    }
    CHECK(was_thrown);
    CHECK(f.shines());
    f.dispatch();
    CHECK(is_called);
    CHECK(f.is_dark());
}

TEST("without a handle, a dispatch takes in what has come") {
    ReadyFixture f;
    const CallPtr call = f.sent(1);
    f.transport.say_reply(1, "result");
    f.exchange.dispatch();
    CHECK(call->done());
}

TEST("threads that dispatch, and others that wait, all get what is theirs") {
    LitFixture f;
    f.transport.echo();
    std::atomic<int> called{0};
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            while (!over) {
                if (is_ready(f.handle, 10ms)) f.dispatch();
            }
        });
    }
    std::vector<std::thread> callers;
    for (int thread = 0; thread < 2; ++thread) {
        callers.emplace_back([&, thread] {
            for (int i = 1; i <= 200; ++i) {
                const CallPtr call = f.sent(2 * i + thread);
                call->when_done(f.beacon, [&] { ++called; });
                if (thread == 0) CHECK_EQ("command", f.result(call));
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    while (called != 400) std::this_thread::yield();
    over = true;
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(400, called.load());
}
