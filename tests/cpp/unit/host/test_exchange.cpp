// The exchange: calls of any number of threads over one transport.
#include "tech_renaissance/detail/host/exchange.h"

#include <atomic>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "check.h"
#include "exchange_fixture.h"

using tr::LaunchError;
using tr::RemoteProtocolError;
using tr::SessionClosed;
using tr::TimedOut;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::Exchange;
using tr::detail::ExchangeHooks;
using tr::detail::Exiting;
using tr::detail::Ready;
using tr::detail::Reply;
using tr::detail::State;
using tr::detail::Unreadable;
using tr::detail::WorkRecord;
using namespace std::chrono_literals;

using exchange_fixture::Fixture;
using exchange_fixture::ReadyFixture;

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

TEST("what a dead worker had not begun is handed over in its order, and so is what may be done twice") {
    ReadyFixture f;
    f.hands_over = true;
    const auto done = f.sent(1);
    const auto begun = f.sent(2);
    const auto third = f.sent(3);
    const auto abandoned = f.sent(4);
    const auto fifth = f.sent(5);
    f.exchange.abandon(abandoned);
    f.transport.first_begun = f.transport.last_begun = 2;
    f.transport.say_reply(1, "last words");
    f.end();
    CHECK_THROWS(WorkerLost, "worker_lost", f.reply(begun));
    CHECK_EQ("last words", f.result(done));
    CHECK(f.exchange.wait(third, 1min));
    CHECK(!third->done());
    CHECK((f.in_line() == std::vector{third, fifth}));
}

TEST("an idempotent call is handed over though it had begun") {
    ReadyFixture f;
    f.hands_over = true;
    const auto call = f.call(1);
    call->idempotent = true;
    CHECK(f.exchange.send(call, 1min));
    f.transport.first_begun = f.transport.last_begun = 1;
    f.end();
    CHECK(f.exchange.wait(call, 1min));
    CHECK((f.in_line() == std::vector{call}));
}

TEST("a call that was handed over gets its answer from the next exchange") {
    ReadyFixture first;
    first.hands_over = true;
    const auto call = first.sent(1);
    first.end();
    first.exchange.close();
    ReadyFixture second;
    second.queue.inherit(first.in_line());
    CHECK(second.exchange.wait_sent(call, 1min));
    second.transport.say_reply(1, "after all");
    CHECK(first.exchange.wait(call, 1min));
    CHECK_EQ("after all", second.result(call));
}

TEST("calls are sent in the order in which they came, by whoever waits, as far as the window goes") {
    Fixture f;
    f.transport.say(Ready{2});
    CHECK(f.exchange.wait_started(1min));
    std::vector<std::shared_ptr<Call>> calls;
    for (int id = 1; id <= 5; ++id) calls.push_back(f.sent(id));
    CHECK(calls[1]->exchange == &f.exchange);
    CHECK(calls[2]->exchange == nullptr);
    CHECK(!f.exchange.wait_idle(0ms));
    f.transport.say_reply(2, "2");
    f.transport.say_reply(1, "1");
    CHECK_EQ("1", f.result(calls[0]));
    CHECK(calls[3]->exchange == &f.exchange);
    CHECK(calls[4]->exchange == nullptr);
    CHECK(!f.exchange.ask_to_leave(0ms));
    for (int id = 3; id <= 5; ++id) {
        f.transport.say_reply(id, std::to_string(id));
        f.exchange.state();
    }
    CHECK_EQ("5", f.result(calls[4]));
    CHECK(f.exchange.ask_to_leave(1min));
}

TEST("a call in line can pass its deadline, or be abandoned, and is not sent then") {
    Fixture f;
    f.transport.say(Ready{1});
    CHECK(f.exchange.wait_started(1min));
    const auto first = f.sent(1);
    const auto late = f.call(2);
    late->set_deadline(tr::detail::Clock::now());
    CHECK(f.exchange.send(late, 1min));
    const auto abandoned = f.sent(3);
    const auto last = f.sent(4);
    CHECK(f.exchange.expire(late));
    abandoned->abandoned = true;
    f.transport.say_reply(1, "1");
    CHECK_EQ("1", f.result(first));
    CHECK(late->exchange == nullptr && abandoned->exchange == nullptr);
    CHECK(last->exchange == &f.exchange);
    CHECK_THROWS(TimedOut, "deadline_passed", late->take());
}

TEST("what is in line ends with the worker, unless another one follows") {
    for (const bool hands_over : {false, true}) {
        Fixture f;
        f.hands_over = hands_over;
        f.transport.say(Ready{1});
        CHECK(f.exchange.wait_started(1min));
        const auto begun = f.sent(1);
        const auto in_line = f.sent(2);
        f.transport.first_begun = f.transport.last_begun = 1;
        f.end();
        CHECK_THROWS(WorkerLost, "worker_lost", f.reply(begun));
        CHECK(hands_over != in_line->done());
        CHECK((f.in_line() == (hands_over ? std::vector{in_line} : std::vector<std::shared_ptr<Call>>())));
    }
}

TEST("an exchange that is not open takes calls past the queue, and then in the order of the queue") {
    ReadyFixture before;
    Exchange hidden(before.transport, before.work, before.queue, before.hooks(false), false);
    before.transport.say(Ready{});
    CHECK(hidden.wait_started(1min));
    const auto inherited = before.call(1);
    before.queue.inherit({inherited});
    const auto of_hook = before.call(2);
    CHECK(hidden.send(of_hook, 1min));
    CHECK(of_hook->exchange == &hidden);
    CHECK(inherited->exchange == nullptr);
    hidden.open();
    CHECK(inherited->exchange == &hidden);
}

TEST("a call whose deadline passes before its turn is done then; the one in work is not") {
    ReadyFixture f;
    const auto at_work = f.call(1);
    const auto queued = f.call(2);
    for (const auto& call : {at_work, queued}) {
        call->set_deadline(tr::detail::deadline_after(20ms));
        CHECK(f.exchange.send(call, 1min));
    }
    CHECK(f.exchange.wait(queued, 1min));
    CHECK_THROWS(TimedOut, "deadline_passed", queued->take());
    CHECK(!f.exchange.wait(at_work, 0ms));
    CHECK(!f.exchange.expire(at_work));
    f.transport.say_reply(1, "too late");
    f.transport.say_reply(2, "discarded");
    try {
        f.reply(at_work);
        CHECK(false);
    } catch (const TimedOut& error) {
        CHECK_EQ("deadline_passed", error.code());
        CHECK_EQ("notice", error.step());
    }
    CHECK(f.exchange.state() == State::ready);
}

TEST("a request that a worker did not begin because its deadline had passed was in the queue") {
    ReadyFixture f;
    const auto call = f.call(1);
    call->set_deadline(tr::detail::deadline_after(0ms));
    CHECK(f.exchange.send(call, 1min));
    Reply reply;
    reply.response.id = 1;
    reply.response.error = tr::detail::Failure{"cancelled", "", "", ""};
    f.transport.say(std::move(reply));
    try {
        f.reply(call);
        CHECK(false);
    } catch (const TimedOut& error) {
        CHECK_EQ("queue", error.step());
    }
}

TEST("the answer to a call that is given up counts no more, and who waits is told by who gave it up") {
    ReadyFixture f;
    const auto call = f.sent(1);
    const auto next = f.sent(2);
    std::shared_ptr<Call> ended;
    CHECK(!f.exchange.begin_end(2, ended));
    CHECK(f.exchange.begin_end(1, ended));
    CHECK(ended == call);
    f.transport.say_reply(1, "too late");
    CHECK(f.exchange.wait_over(1, 1min));
    CHECK(!call->done());
    std::thread waiter([&] { CHECK_THROWS(SessionClosed, "code", f.reply(call)); });
    f.exchange.fail(*call, std::make_exception_ptr(SessionClosed("code", "ended")));
    waiter.join();
    f.transport.say_reply(2, "next");
    CHECK_EQ("next", f.result(next));
}

TEST("a call that is given up outlives its exchange until it is told") {
    ReadyFixture f;
    const auto call = f.sent(1);
    std::shared_ptr<Call> ended;
    CHECK(f.exchange.begin_end(1, ended));
    std::thread waiter([&] { CHECK_THROWS(SessionClosed, "code", f.reply(call)); });
    f.exchange.close();
    CHECK(f.exchange.wait_over(1, 1min));
    f.exchange.fail(*call, std::make_exception_ptr(SessionClosed("code", "ended")));
    waiter.join();
}

TEST("a call whose deadline passes is ended in line, or left to the ladder, by whether it has begun") {
    ReadyFixture f;
    const auto first = f.call(1);
    const auto second = f.call(2);
    const auto third = f.call(3);
    for (const auto& call : {first, second, third}) {
        if (call != first) call->set_deadline(tr::detail::Clock::now());
        CHECK(f.exchange.send(call, 1min));
    }
    f.transport.first_begun = f.transport.last_begun = 2;
    CHECK(!f.exchange.expire(first));
    CHECK(!f.exchange.expire(second));
    CHECK(f.exchange.expire(third));
    CHECK_THROWS(TimedOut, "deadline_passed", third->take());
    f.transport.say_reply(3, "not begun");
    f.transport.say_reply(1, "one");
    CHECK_EQ("one", f.result(first));
}

TEST("an answer that came before the look counts, though the call is in work no longer") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.call(2);
    second->set_deadline(tr::detail::Clock::now());
    CHECK(f.exchange.send(second, 1min));
    f.transport.first_begun = f.transport.last_begun = 1;
    f.transport.say_reply(2, "late");
    CHECK(f.exchange.expire(second));
    try {
        second->take();
        CHECK(false);
    } catch (const TimedOut& error) {
        CHECK_EQ("notice", error.step());
    }
}

TEST("what is in work is what has begun, else the oldest call") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    CHECK(f.exchange.in_work()->call == first);
    f.transport.first_begun = f.transport.last_begun = 2;
    CHECK(f.exchange.in_work()->call == second);
    std::shared_ptr<Call> ended;
    CHECK(!f.exchange.begin_end(1, ended));
    CHECK(f.exchange.begin_end(2, ended));
    CHECK(ended == second);
}

TEST("a call is in work since it was sent or the one before it was answered") {
    ReadyFixture f;
    CHECK(!f.exchange.in_work().has_value());
    CHECK_EQ("idle", f.work.moment());
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    const auto sent = f.exchange.in_work()->since;
    f.transport.say_reply(1, "one");
    f.result(first);
    CHECK(f.exchange.in_work()->call == second);
    CHECK(f.exchange.in_work()->since >= sent);
    CHECK(f.exchange.ask_to_leave(1min));
    CHECK_EQ("exiting", f.work.moment());
}
