// Calls that are ended before their answer: by their deadlines, or because they are given up; and what is in work.
#include "tech_renaissance/detail/host/exchange.h"

#include <memory>
#include <thread>
#include <utility>

#include "check.h"
#include "exchange_fixture.h"

using exchange_fixture::ReadyFixture;
using tr::SessionClosed;
using tr::TimedOut;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::EndReason;
using tr::detail::Reply;
using tr::detail::State;
using namespace std::chrono_literals;

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
    const auto error = check::caught<TimedOut>([&] { f.reply(at_work); });
    CHECK_EQ("deadline_passed", error.code());
    CHECK_EQ("notice", error.step());
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
    const auto error = check::caught<TimedOut>([&] { f.reply(call); });
    CHECK_EQ("queue", error.step());
}

TEST("a call that is being ended is over when its answer comes, by the step that has been taken") {
    ReadyFixture f;
    const auto call = f.sent(1);
    const auto next = f.sent(2);
    std::shared_ptr<Call> ended;
    CHECK(!f.exchange.begin_end(2, EndReason::deadline, ended));
    CHECK(f.exchange.begin_end(1, EndReason::deadline, ended));
    CHECK(ended == call);
    f.exchange.note_end(1, {"interrupt", "stacks", nullptr});
    f.transport.say_reply(1, "too late");
    CHECK(f.exchange.wait(call, 1min));
    f.exchange.fail(*call, std::make_exception_ptr(SessionClosed("code", "the first error counts")));
    const auto error = check::caught<TimedOut>([&] { call->take(); });
    CHECK_EQ("deadline_passed", error.code());
    CHECK_EQ("interrupt", error.step());
    CHECK_EQ("stacks", error.stack());
    f.transport.say_reply(2, "next");
    CHECK_EQ("next", f.result(next));
}

TEST("a call that is given up outlives its exchange until it is told") {
    ReadyFixture f;
    const auto call = f.sent(1);
    std::shared_ptr<Call> ended;
    CHECK(f.exchange.begin_end(1, EndReason::cancel, ended));
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
    const auto error = check::caught<TimedOut>([&] { second->take(); });
    CHECK_EQ("notice", error.step());
}

TEST("a call that nobody waits for is over at its deadline once it was answered, and no sooner") {
    ReadyFixture f;
    const auto dropped = f.call(1);
    const auto left = f.call(2);
    const auto next = f.call(3);
    for (const auto& call : {dropped, left, next}) {
        if (call != next) call->set_deadline(tr::detail::Clock::now());
        CHECK(f.exchange.send(call, 1min));
    }
    f.exchange.abandon(dropped);
    f.exchange.close_stream(left);
    CHECK(!f.exchange.expire(dropped));
    f.transport.say_reply(1, "discarded");
    CHECK(f.exchange.expire(dropped));
    CHECK(!f.exchange.expire(left));
    f.transport.say_reply(2, "discarded");
    f.transport.say_reply(3, "next");
    CHECK_EQ("next", f.result(next));
    CHECK(f.exchange.expire(left));
}

TEST("what is in work is what has begun, else the oldest call") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    CHECK(f.exchange.in_work()->call == first);
    f.transport.first_begun = f.transport.last_begun = 2;
    CHECK(f.exchange.in_work()->call == second);
    std::shared_ptr<Call> ended;
    CHECK(!f.exchange.begin_end(1, EndReason::cancel, ended));
    CHECK(f.exchange.begin_end(2, EndReason::cancel, ended));
    CHECK(ended == second);
}

TEST("a worker that has ended has nothing in work") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.first_begun = f.transport.last_begun = 1;
    CHECK(f.exchange.in_work().has_value());
    f.end();
    CHECK_THROWS(WorkerLost, "worker_lost", f.reply(call));
    CHECK(!f.exchange.in_work().has_value());
    f.exchange.close();
    CHECK(!f.exchange.in_work().has_value());
    CHECK(!f.exchange.is_suspended(1));
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
