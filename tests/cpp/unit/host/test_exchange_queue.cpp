// Calls in line at the exchange, and those that are handed over to the next one.
#include "tech_renaissance/detail/host/exchange.h"

#include <memory>
#include <vector>

#include "check.h"
#include "exchange_fixture.h"

using exchange_fixture::Fixture;
using exchange_fixture::ReadyFixture;
using tr::TimedOut;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::Exchange;
using tr::detail::Ready;
using namespace std::chrono_literals;

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

TEST("an exchange that is closed leaves alone what is in line, which is another worker's by then") {
    ReadyFixture before;
    const auto lost = before.sent(1);
    before.end();
    before.exchange.close();
    CHECK_THROWS(WorkerLost, "worker_lost", before.reply(lost));
    const auto in_line = before.call(2);
    before.queue.add(in_line);
    before.exchange.close();
    CHECK(!in_line->done());
    before.queue.fail([](const Call&) { return std::make_exception_ptr(WorkerLost("inherited", "")); });
    CHECK(!in_line->done());
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
