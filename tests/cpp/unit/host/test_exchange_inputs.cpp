// The inputs of calls in the exchange: values that are pushed, and values that are taken from the program.
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.h"
#include "talk_fixture.h"
#include "tech_renaissance/input.h"

using exchange_fixture::push;
using exchange_fixture::TalkFixture;
using exchange_fixture::with_input;
using tr::LocalProtocolError;
using tr::RemoteProtocolError;
using tr::detail::Attending;
using tr::detail::CallPtr;
using tr::detail::exposed_function;
using tr::detail::Granted;
using tr::detail::InputItem;
using namespace std::chrono_literals;

namespace {

// 0, 1 and so on, as many as that.
auto numbers(int& next, int count) {
    return tr::input_from([&next, count] { return next < count ? std::optional(next++) : std::nullopt; }).next;
}

bool finds_no_memory(TalkFixture& f, const CallPtr& call, const std::string& text) {
    try {
        push(f, call, text);
    } catch (const tr::ArenaFull&) {
        return true;
    }
    return false;
}

}  // namespace

TEST("an item for which there is no memory is an error of who pushes it, who may do so again") {
    TalkFixture f;
    f.transport.set_room(100);
    const CallPtr call = with_input(f, 1);
    const CallPtr other = with_input(f, 2);
    CHECK(push(f, call, "first"));
    const std::string big(200, 'x');
    f.transport.fill_arena();
    for (int tries = 0; tries < 20; ++tries) CHECK(finds_no_memory(f, call, big));
    f.exchange.state();
    CHECK(push(f, other, "small"));
    f.transport.fill_arena(false);
    CHECK(push(f, call, big));
    CHECK(push(f, call, "last"));
    CHECK((std::vector<std::string>{"first", "small", big, "last"} == f.transport.items));
}

TEST("an item that waited for room, and for which there is no memory then, holds up nobody else") {
    TalkFixture f;
    f.exposed.set("small", exposed_function(std::function([] { return 1; })));
    const CallPtr call = with_input(f, 1);
    const std::string big(200, 'x');
    f.transport.set_room(0);
    CHECK(push(f, call, big));
    f.transport.fill_arena();
    f.transport.set_room(100);
    f.exchange.state();
    const CallPtr asking = f.sent(2);
    f.ask(2, "small", tr::encode_call());
    f.attend(asking);
    CHECK_EQ("1", f.transport.answers.back());
    CHECK(finds_no_memory(f, call, "behind"));
    f.transport.fill_arena(false);
    CHECK(push(f, call, "behind"));
    CHECK((std::vector<std::string>{big, "behind"} == f.transport.items));
}

TEST("an input is sent as the worker takes it, and ends once") {
    TalkFixture f;
    f.transport.set_room(100);
    const CallPtr call = with_input(f, 1);
    int sent = 0;
    while (push(f, call, "x")) ++sent;
    CHECK_EQ(16, sent);
    f.transport.say(Granted{1, 8});
    CHECK(f.exchange.wait(call, 1min));
    while (push(f, call, "x")) ++sent;
    CHECK_EQ(24, sent);
    InputItem last{1};
    last.is_last = true;
    CHECK(f.exchange.send_item(call, last));
    CHECK_EQ("last", f.transport.items.back());
    f.transport.say_reply(1, "done");
    CHECK_EQ("done", f.result(call));
    CHECK(!push(f, call, "x"));
}

TEST("an input that comes from the program is sent by the thread that waits, up to its end or what is thrown there") {
    TalkFixture f;
    f.transport.set_room(100);
    const CallPtr call = with_input(f, 1);
    int next = 0;
    call->source = numbers(next, 3);
    while (call->feed->has_credit()) CHECK(f.attend(call) == nullptr);
    CHECK_EQ(3, next);
    const CallPtr other = with_input(f, 2);
    other->source = tr::input_from([]() -> std::optional<int> { throw 42; }).next;
    CHECK(f.attend(other) != nullptr);
    CHECK(other->done());
    const CallPtr itself = with_input(f, 3);
    itself->source = tr::input_from([&]() -> std::optional<int> {
                         tr::detail::Callback::check_may_wait(&f.exposed);
                         return 1;
                     }).next;
    CHECK(f.attend(itself) != nullptr);
    CHECK_THROWS(LocalProtocolError, "would_wait_for_itself", itself->take());
}

TEST("nothing is taken from the program for a call in line, nor by a thread that dispatches") {
    TalkFixture f(true);
    f.transport.set_room(100);
    f.sent(1);
    const CallPtr call = with_input(f, 2);
    int next = 0;
    call->source = numbers(next, 3);
    CHECK(call->exchange == nullptr);
    CHECK(!call->is_of_interest());
    CHECK(f.attend(call, Attending::waiting) == nullptr);
    f.transport.say_reply(1, "done");
    f.exchange.state();
    CHECK(call->exchange != nullptr);
    CHECK(f.attend(call, Attending::dispatching) == nullptr);
    CHECK_EQ(0, next);
    while (call->feed->has_credit()) CHECK(f.attend(call) == nullptr);
    CHECK((std::vector<std::string>{"0", "1", "2", "last"} == f.transport.items));
}

TEST("a call whose worker dies while a value is taken from the program is not handed over") {
    TalkFixture f;
    f.hands_over = true;
    const CallPtr call = with_input(f, 1);
    call->idempotent = true;
    call->source = tr::input_from([&]() -> std::optional<int> {
                       f.end();
                       f.exchange.state();
                       return 1;
                   }).next;
    CHECK(f.attend(call) == nullptr);
    CHECK_THROWS(tr::WorkerLost, "worker_lost", call->take());
    CHECK(f.queue.empty());
}

TEST("a call of which something was given away is not handed over") {
    TalkFixture f;
    f.transport.set_room(100);
    f.hands_over = true;
    const CallPtr fed = with_input(f, 1);
    CHECK(push(f, fed, "x"));
    const CallPtr untouched = with_input(f, 2);
    f.end();
    f.exchange.state();
    CHECK(fed->done());
    CHECK(!untouched->done());
    f.queue.end(*untouched, nullptr);
}

TEST("a worker that grants items to a call without an input breaks the protocol") {
    TalkFixture f;
    const CallPtr call = f.sent(1);
    f.transport.say(Granted{1, 8});
    CHECK(f.exchange.wait(call, 1min));
    CHECK_THROWS(RemoteProtocolError, "bad_state", call->take());
}
