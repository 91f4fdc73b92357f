// What handlers say and ask while their calls are in work, and stops, in the exchange.
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "talk_fixture.h"
#include "tech_renaissance/keyword.h"
#include "tech_renaissance/value.h"

using exchange_fixture::Fixture;
using exchange_fixture::push;
using exchange_fixture::TalkFixture;
using exchange_fixture::with_input;
using tr::Body;
using tr::CallCancelled;
using tr::LocalProtocolError;
using tr::Progress;
using tr::RemoteProtocolError;
using tr::detail::Ask;
using tr::detail::CallPtr;
using tr::detail::Exposed;
using tr::detail::exposed_function;
using tr::detail::Granted;
using tr::detail::InputItem;
using tr::detail::Items;
using tr::detail::Outcome;
using tr::detail::Ready;
using namespace std::chrono_literals;

namespace {

// What a function gives for arguments: the text of its result, or the code of its failure.
template <class Function>
std::string called_with(Function function, Body arguments) {
    Exposed exposed;
    exposed.set("f", exposed_function(std::function(std::move(function))));
    const Outcome outcome = exposed.run({1, "f", std::move(arguments)}, nullptr);
    return outcome.failure ? outcome.failure->code + ": " + outcome.failure->message : outcome.result.value.text;
}
template <class Function, class... Arguments>
std::string called(Function function, const Arguments&... arguments) {
    return called_with(std::move(function), tr::encode_call(arguments...));
}

}  // namespace

TEST("the newest progress is there for whoever asks") {
    TalkFixture f;
    const CallPtr call = f.sent(1);
    f.tell(1, 1);
    f.tell(1, 2);
    f.exchange.state();
    CHECK(!call->has_news());
    CHECK_EQ(2.0, call->talk()->newest()->done);
    CHECK_EQ(0.2, *call->talk()->newest()->fraction());
}

TEST("who waits for a call is told how far it is, and of the last one before the answer") {
    TalkFixture f;
    std::vector<double> told;
    const CallPtr call = f.heard(1, [&](const Progress& progress) { told.push_back(progress.done); });
    f.tell(1, 1);
    f.attend(call);
    f.tell(1, 2);
    f.tell(1, 3);
    f.transport.say_reply(1, "done");
    f.exchange.state();
    CHECK(call->done());
    f.attend(call);
    CHECK((std::vector<double>{1, 3} == told));
}

TEST("the first progress is told although more has come by then") {
    TalkFixture f;
    std::vector<double> told;
    const CallPtr call = f.heard(1, [&](const Progress& progress) { told.push_back(progress.done); });
    for (int done = 1; done <= 3; ++done) f.tell(1, done);
    f.attend(call);
    f.attend(call);
    CHECK((std::vector<double>{1, 3} == told));
}

TEST("what on_progress throws is the end of the call, and nothing is done to the worker") {
    TalkFixture f;
    const CallPtr call = f.call(1);
    call->on_progress = [](const Progress&) { throw std::runtime_error("enough"); };
    CHECK(f.exchange.send(call, 1min));
    f.tell(1, 1);
    CHECK(f.attend(call) != nullptr);
    CHECK_EQ(1, f.transport.given_up.load());
    CHECK(call->done());
    f.transport.say_reply(1, "too late");
    f.tell(1, 2);
    f.exchange.state();
}

TEST("an Ask is answered by the thread that waits for its call") {
    TalkFixture f;
    f.exposed.set("add", exposed_function(std::function([](int a, int b) { return a + b; })));
    const CallPtr call = f.sent(1);
    const CallPtr other = f.sent(2);
    f.ask(1, "add");
    f.transport.say_reply(2, "other");
    CHECK_EQ("other", f.result(other));  // reads the Ask, and leaves it to whom it concerns
    CHECK(f.transport.answers.empty());
    f.attend(call);
    CHECK((std::vector<std::string>{"3"} == f.transport.answers));
    f.ask(1, "subtract");
    f.attend(call);
    CHECK_EQ("unknown_command", f.transport.answers.back());
    f.transport.say_reply(1, "done");
    CHECK_EQ("done", f.result(call));
}

TEST("an answer waits for room") {
    TalkFixture f;
    f.exposed.set("add", exposed_function(std::function([](int a, int b) { return a + b; })));
    const CallPtr call = f.sent(1);
    f.transport.set_room(0);
    f.ask(1, "add");
    f.attend(call);
    CHECK(f.transport.answers.empty());
    f.transport.set_room(1);
    f.exchange.state();
    CHECK_EQ(1, f.transport.answers.size());
}

TEST("an answer for whose text there is no memory is an error of its handler, and of nobody else") {
    TalkFixture f;
    f.exposed.set("big", exposed_function(std::function([] { return std::string(200, 'x'); })));
    f.exposed.set("small", exposed_function(std::function([] { return 1; })));
    const CallPtr big = f.sent(1);
    const CallPtr small = f.sent(2);
    f.transport.fill_arena();
    f.ask(1, "big", tr::encode_call());
    f.attend(big);
    CHECK((std::vector<std::string>{"command_failed"} == f.transport.answers));
    f.ask(2, "small", tr::encode_call());
    f.attend(small);
    CHECK_EQ("1", f.transport.answers.back());
}

TEST("a second Ask before the answer to the first breaks the protocol") {
    TalkFixture f;
    const CallPtr call = f.sent(1);
    f.ask(1, "add");
    f.ask(1, "add");
    f.exchange.state();
    CHECK_THROWS(RemoteProtocolError, "bad_state", call->take());
}

TEST("the answer to a call that has ended is dropped") {
    TalkFixture f;
    const CallPtr call = f.sent(1);
    f.exposed.set("add", exposed_function(std::function([&](int a, int b) {
                      f.exited = true;
                      f.exchange.state();
                      return a + b;
                  })));
    f.ask(1, "add");
    f.attend(call);
    CHECK(f.transport.answers.empty());
    CHECK(call->done());
}

TEST("a handler that asks for a call which nobody waits for gets no answer but that") {
    TalkFixture f;
    const CallPtr asked = f.sent(1);
    f.ask(1, "add");
    f.exchange.state();
    f.exchange.abandon(asked);
    CHECK((std::vector<std::string>{"cancelled"} == f.transport.answers));
    f.ask(1, "add");
    f.exchange.state();
    f.exchange.state();
    CHECK_EQ(2, f.transport.answers.size());
}

TEST("a function for which the worker waits cannot wait for it") {
    TalkFixture f;
    std::string code;
    f.exposed.set("nested", exposed_function(std::function([&] {
                      try {
                          tr::detail::Callback::check_may_wait(&f.exposed);
                      } catch (const LocalProtocolError& error) {
                          code = error.code();
                      }
                      tr::detail::Callback::check_may_wait(&f);  // another session
                  })));
    const CallPtr call = f.sent(1);
    f.ask(1, "nested", tr::encode_call());
    f.attend(call);
    CHECK_EQ("would_wait_for_itself", code);
    code = "none";
    f.ask(1, "nested", tr::encode_call(), false);
    f.attend(call);
    CHECK_EQ("none", code);
    tr::detail::Callback::check_may_wait(&f.exposed);
}

TEST("a function gets its arguments by their types, and says what does not fit") {
    CHECK_EQ("3", called([](int a, int b) { return a + b; }, 1, 2));
    CHECK_EQ("ab", called([](const std::string& a, std::string b) { return a + b; }, "a", "b"));
    CHECK_EQ("", called([](tr::Value) {}, 1));  // null
    CHECK_EQ("5", called([](int a, std::optional<int> b) { return a + b.value_or(4); }, 1));
    const auto add = [](int a, int b) { return a + b; };
    CHECK_EQ("wrong_arguments: wrong arguments for f: it takes 2 arguments, not 1", called(add, 1));
    CHECK_EQ("wrong_arguments: wrong arguments for f: it takes no more than 2 arguments", called(add, 1, 2, 3));
    const std::string refused = "wrong_arguments: wrong arguments for f: ";
    CHECK_EQ(refused + "argument 2: args[1]: a string where an int is wanted", called(add, 1, "b"));
    CHECK_EQ(refused + "a C++ function takes arguments by place alone, not 'c' by name",
             called(add, 1, 2, tr::kw("c", 3)));
    CHECK_EQ("command_failed: no", called([] { throw std::runtime_error("no"); }));
    for (const char* text : {"{}", "[]", "[1]", "[[1,2],{},3]", "[[1,2],[]]", "[[1,2]", "[[1,{\"$\":0}]]", "7"}) {
        const Body body{Body::Form::Json, text, {}};
        const std::string code = called_with(add, body);
        CHECK(code.find("wrong arguments for f:") == std::string("bad_json: ").size() ||
              code.find("wrong arguments for f:") == std::string("bad_value: ").size());
    }
    CHECK_EQ("command_failed: \xc3\xa9?", called([] { throw std::runtime_error("\xc3\xa9\xff"); }));
    CHECK_EQ("command_failed: something was thrown that is not a std::exception", called([] { throw 42; }));
}

TEST("who is told of progress slowly is told of the newest next") {
    TalkFixture f;
    std::vector<double> told;
    const CallPtr call = f.heard(1, [&](const Progress& progress) {
        told.push_back(progress.done);
        if (told.size() > 1) return;
        for (int done = 2; done <= 5; ++done) f.tell(1, done);
    });
    f.tell(1, 1);
    f.attend(call);
    f.attend(call);
    CHECK((std::vector<double>{1, 5} == told));
    f.transport.say_reply(1, "done");
    CHECK_EQ("done", f.result(call));
}

TEST("what a handler has asked before its worker died is not run afterwards") {
    TalkFixture f;
    int runs = 0;
    f.exposed.set("note", exposed_function(std::function([&] { return ++runs; })));
    const CallPtr call = f.sent(1);
    f.ask(1, "note", tr::encode_call());
    f.exchange.state();
    CHECK(call->has_news());
    f.end();
    f.exchange.state();
    f.attend(call);
    CHECK_EQ(0, runs);
    CHECK(!call->has_news());
}

TEST("a stop ends a call that has not begun, and leaves one in work to its handler") {
    TalkFixture f;
    f.transport.first_begun = f.transport.last_begun = 1;
    const CallPtr begun = f.sent(1);
    const CallPtr unbegun = f.sent(2);
    f.exchange.stop(unbegun);
    CHECK_EQ(2, f.transport.stopped.load());
    CHECK_THROWS(CallCancelled, "cancelled", unbegun->take());
    f.exchange.stop(begun);
    CHECK(!begun->done());
    f.transport.say_reply(1, "early");
    CHECK_EQ("early", f.result(begun));
}

TEST("a dispatch finds those that have news, also if they are done by then") {
    TalkFixture f;
    f.beacon->open();
    int told = 0;
    const CallPtr call = f.heard(1, [&](const Progress&) { ++told; });
    f.tell(1, 1);
    f.transport.say_reply(1, "done");
    for (const CallPtr& one : f.exchange.dispatch()) f.attend(one);
    CHECK_EQ(1, told);
    CHECK(f.exchange.dispatch().empty());
}

TEST("a call that goes to the next worker has forgotten what it asked") {
    TalkFixture f;
    f.hands_over = true;
    const CallPtr call = f.call(1);
    call->idempotent = true;
    CHECK(f.exchange.send(call, 1min));
    f.ask(1, "f");
    f.exchange.state();
    CHECK(f.exchange.is_asking(*call));
    CHECK(call->has_news());
    f.end();
    f.exchange.state();
    CHECK(!f.exchange.is_asking(*call));
    CHECK(!call->has_news());
    CHECK(!call->done());
    f.queue.end(*call, nullptr);
}

TEST("lines of output do not keep a call from a worker whose stream, or handler, waits") {
    TalkFixture f(true);
    const CallPtr stream = f.call(1, "stream");
    stream->items = std::make_unique<Items>();
    CHECK(f.exchange.send(stream, 1min));
    const CallPtr call = f.sent(2);
    CHECK((std::vector<std::string>{"stream", ""} == f.outputs));
    const CallPtr refused = f.call(3);
    refused->stays_in_line = true;
    CHECK(f.exchange.send(refused, 1min));
    CHECK(refused->exchange == nullptr);
    f.transport.say_reply(2, "done");
    CHECK_EQ("done", f.result(call));
    CHECK(refused->exchange != nullptr);
    f.ask(3, "add");
    const CallPtr beside = f.sent(4);
    CHECK(beside->exchange != nullptr);
    for (std::int64_t id : {1, 3, 4}) f.transport.say_reply(id, "done");
    f.exchange.state();
    CHECK_EQ("", f.outputs.back());
}

TEST("lines of output limit nothing for a worker with coroutines") {
    Fixture f(true);
    Ready ready;
    ready.coroutines = true;
    f.transport.say(ready);
    CHECK(f.exchange.wait_started(1min));
    f.sent(1);
    f.sent(2);
    CHECK((std::vector<std::string>{"command", ""} == f.outputs));
}

TEST("many threads ask, push and wait at once") {
    TalkFixture f;
    f.transport.set_room(100000);
    std::array<std::atomic<int>, 5> answered{};
    f.exposed.set("note", exposed_function(std::function([&](std::size_t id) { ++answered[id]; })));
    std::vector<std::thread> threads;
    for (std::int64_t id = 1; id <= 4; ++id) {
        const CallPtr call = with_input(f, id);
        call->on_progress = [](const Progress&) {};
        threads.emplace_back([&f, &answered, call, id] {
            for (int i = 0; i < 50; ++i) {
                f.ask(id, "note", tr::encode_call(id));
                f.tell(id, i);
                while (answered[static_cast<std::size_t>(id)] <= i) {
                    f.exchange.state();
                    while (call->has_news()) f.attend(call);
                }
                f.transport.say(Granted{id, 1});
                while (!push(f, call, "x")) f.exchange.wait(call, 1min);
            }
            InputItem last{id};
            last.is_last = true;
            CHECK(f.exchange.send_item(call, last));
            f.transport.say_reply(id, "done");
            while (!call->done()) f.attend(call);
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(200, f.transport.answers.size());
}
