// The exchange: calls of any number of threads over one transport, and their answers.
#include "tech_renaissance/detail/host/exchange.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "exchange_fixture.h"

using exchange_fixture::Fixture;
using exchange_fixture::ReadyFixture;
using tr::LaunchError;
using tr::RemoteProtocolError;
using tr::SessionClosed;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::Exiting;
using tr::detail::Ready;
using tr::detail::State;
using tr::detail::Unreadable;
using namespace std::chrono_literals;

TEST("a call gets its answer") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.say_reply(1, "answer");
    CHECK_EQ("answer", f.result(call));
    CHECK(f.exchange.state() == State::ready);
}

TEST("what an older worker cannot understand is refused, in line or not, and its other calls go on") {
    Fixture f;
    f.transport.say(Ready{256, 1});
    CHECK(f.exchange.wait_started(1min));
    const auto typed = f.call(1);
    typed->request.typed = true;
    CHECK_THROWS(RemoteProtocolError, "old_protocol", f.exchange.send(typed, 1min));
    const auto attached = f.call(2);
    attached->attachments.push_back({tr::Attachment::Kind::Tensor, nullptr});
    f.queue.add(attached);
    const auto text = f.sent(3);
    CHECK_THROWS(RemoteProtocolError, "old_protocol", f.result(attached));
    f.transport.say_reply(3, "answer");
    CHECK_EQ("answer", f.result(text));
}

TEST("answers belong to calls, in whatever order they are waited for") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.say_reply(1, "one");
    f.transport.say_reply(2, "two");
    CHECK_EQ("two", f.result(second));
    CHECK_EQ("one", f.result(first));
}

TEST("the answer to a call that was given up is discarded") {
    ReadyFixture f;
    const auto late = f.sent(1);
    CHECK(!f.exchange.wait(late, 0ms));
    f.exchange.abandon(late);
    const auto next = f.sent(2);
    f.transport.say_reply(1, "late");
    f.transport.say_reply(2, "next");
    CHECK_EQ("next", f.result(next));
    CHECK(!late->done());
}

TEST("an unreadable answer is an error of the oldest call") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.say(Unreadable{RemoteProtocolError("bad_json", "nonsense")});
    f.transport.say_reply(2, "two");
    CHECK_THROWS(RemoteProtocolError, "bad_json", f.reply(first));
    CHECK_EQ("two", f.result(second));
    CHECK(!f.exchange.last_failed());
}

TEST("answers may come in any order, and an unreadable one names its call") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    const auto third = f.sent(3);
    f.transport.say(Unreadable{RemoteProtocolError("bad_frame", "nonsense"), 3});
    f.transport.say_reply(2, "two");
    CHECK_THROWS(RemoteProtocolError, "bad_frame", f.reply(third));
    CHECK_EQ("two", f.result(second));
    CHECK(f.exchange.state() == State::busy);
    CHECK(f.exchange.in_work()->call == first);
    f.transport.say_reply(1, "one");
    CHECK_EQ("one", f.result(first));
    CHECK(f.exchange.state() == State::ready);
}

TEST("an answer to no call fails those that wait, as nobody knows whose it is") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.say_reply(7, "whose?");
    CHECK_THROWS(RemoteProtocolError, "bad_state", f.reply(call));
}

TEST("an answer when nothing was asked is ignored") {
    ReadyFixture f;
    f.transport.say_reply(1, "unasked");
    f.transport.say(Unreadable{RemoteProtocolError("bad_json", "nonsense")});
    CHECK(f.exchange.state() == State::ready);
    const auto call = f.sent(1);
    f.transport.say_reply(1, "asked");
    CHECK_EQ("asked", f.result(call));
}

TEST("a broken ring fails the calls that wait and all later ones, and is not read again") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.never_stop(Unreadable{RemoteProtocolError("broken_ring", "nonsense")});
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.reply(second));
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.reply(first));
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.exchange.send(f.call(3), 1min));
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.exchange.wait_started(1min));
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.exchange.wait_idle(1min));
    CHECK(f.exchange.state() == State::lost);
    CHECK(f.exchange.ask_to_leave(1min));
    CHECK(f.exchange.wait_left(1min));
    f.exchange.close();
}

TEST("a worker that never stops talking keeps no call beyond its timeout") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.never_stop(Ready{});
    CHECK_THROWS(RemoteProtocolError, "bad_state", f.reply(call));
    CHECK(f.exchange.state() == State::busy);
    CHECK(!f.exchange.wait_idle(0ms));
}

TEST("a call that could not be sent leaves nothing behind") {
    ReadyFixture f;
    const auto before = f.sent(1);
    f.transport.run_out_of_memory();
    bool failed = false;
    try {
        f.exchange.send(f.call(2), 1min);
    } catch (const std::bad_alloc&) {
        failed = true;
    }
    CHECK(failed);
    const auto after = f.sent(3);
    f.transport.say_reply(1, "one");
    f.transport.say_reply(3, "three");
    CHECK_EQ("one", f.result(before));
    CHECK_EQ("three", f.result(after));
    CHECK(f.exchange.state() == State::ready);
}

TEST("what a worker answers while it is ended counts no more") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.say_reply(1, "in time");
    f.exchange.begin_end_all();
    f.transport.say_reply(2, "on its way out");
    f.end();
    CHECK_EQ("in time", f.result(first));
    CHECK_THROWS(WorkerLost, "worker_lost", f.reply(second));
}

TEST("a call waits for room") {
    ReadyFixture f;
    f.transport.set_room(0);
    const auto first = f.call(1);
    CHECK(!f.exchange.send(first, 0ms));
    first->abandoned = true;
    std::thread makes_room([&] { f.transport.set_room(1); });
    CHECK(f.exchange.send(f.call(2), 1min));
    makes_room.join();
    CHECK(f.exchange.state() == State::busy);
}

TEST("what a worker said before it died counts, then its death") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.say_reply(1, "last words");
    f.end();
    CHECK_THROWS(WorkerLost, "worker_lost", f.reply(second));
    CHECK_EQ("last words", f.result(first));
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.send(f.call(3), 1min));
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.wait_started(1min));
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.wait_idle(1min));
    CHECK(f.exchange.state() == State::lost);
}

TEST("a worker that dies before it is ready is a failed launch") {
    Fixture f;
    CHECK(!f.exchange.wait_started(0ms));
    f.end();
    CHECK_THROWS(LaunchError, "died_at_start", f.exchange.wait_started(1min));
    CHECK_THROWS(LaunchError, "died_at_start", f.exchange.send(f.call(1), 1min));
}

TEST("an order to leave waits for the start, and then nothing more is asked") {
    Fixture f;
    CHECK(!f.exchange.ask_to_leave(0ms));
    f.transport.say(Ready{});
    CHECK(f.exchange.ask_to_leave(1min));
    CHECK_THROWS(SessionClosed, "session_closed", f.exchange.send(f.call(1), 1min));
    CHECK(!f.exchange.wait_left(0ms));
    f.transport.say(Exiting{});
    CHECK(f.exchange.wait_left(1min));
    CHECK(f.exchange.ask_to_leave(0ms));
}

TEST("a transport that breaks is a worker that cannot be reached") {
    ReadyFixture f;
    f.transport.break_down();
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.send(f.call(1), 1min));
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.ask_to_leave(1min));
}

TEST("closing ends every wait, and leaves nobody in the transport") {
    ReadyFixture f;
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int id = 1; id <= 4; ++id) {
        const auto call = f.sent(id);
        threads.emplace_back([&f, &failed, call] {
            CHECK_THROWS(WorkerLost, "worker_lost", f.reply(call));
            ++failed;
        });
    }
    f.exchange.close();
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(4, failed.load());
    f.exchange.close();
}

TEST("each of many threads gets its own answers") {
    ReadyFixture f;
    f.transport.echo();
    f.transport.set_room(1);
    std::atomic<std::int64_t> ids{1};
    std::mutex order;  // ids must be sent in order
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 6; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 200; ++i) {
                const std::string text = std::to_string(thread) + ":" + std::to_string(i);
                auto call = std::make_shared<Call>();
                {
                    const std::lock_guard<std::mutex> lock(order);
                    call = f.call(ids++, text);
                    CHECK(f.exchange.send(call, 1min));
                }
                CHECK_EQ(text, f.result(call));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(f.exchange.state() == State::ready);
}

TEST("output by lines: one request is under way at a time, and each part of the output has its call") {
    ReadyFixture f(true);
    const auto first = f.call(1, "one");
    first->request.parameters = "a b";
    CHECK(f.exchange.send(first, 1min));
    const auto second = f.call(2, "two");
    CHECK(!f.exchange.send(second, 0ms));
    f.transport.say_reply(1, "answer");
    CHECK_EQ("answer", f.result(first));
    CHECK(f.exchange.send(second, 1min));
    f.transport.say_reply(2, "answer");
    CHECK_EQ("answer", f.result(second));
    CHECK((f.outputs == std::vector<std::string>{"one a b", "", "two", ""}));
}

TEST("a call that could not be sent has no part of the output") {
    ReadyFixture f(true);
    f.transport.set_room(0);
    CHECK(!f.exchange.send(f.call(1, "one"), 0ms));
    CHECK_EQ("", f.outputs.back());
}
