// Handlers that talk with their hosts, for tests/test_cpp_talks.py: like unit tests, but with a worker.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "guest_session.h"
#include "handles.h"
#include "tech_renaissance.h"

using tr::CallCancelled;
using tr::CallOptions;
using tr::Future;
using tr::on_progress;
using tr::Progress;
using tr::PythonSession;
using tr::SessionOptions;
using tr::Value;
using namespace std::chrono_literals;

namespace {

SessionOptions with_coroutines(SessionOptions options) {
    options.environment["TALKS_ASYNC"] = "1";
    return options;
}

// The code of what it throws; empty if it does not.
template <class Action>
std::string code_of(Action action) {
    try {
        action();
        return "";
    } catch (const tr::TRException& error) {
        return error.code();
    }
}

// What it throws, in words; empty if it does not.
template <class Action>
std::string what_of(Action action) {
    try {
        action();
        return "";
    } catch (const std::exception& error) {
        return error.what();
    }
}

std::string ask(PythonSession& session, const char* name, const Value::List& arguments = {}) {
    const Value answer = session.call("ask", name, arguments);
    return answer[0].text() + " " + answer[1].text() + " " + answer[2].text();
}

}  // namespace

TEST("what on_progress throws is what a future gives, once") {
    Started session("thrower");
    const auto thrower = on_progress([](const Progress&) { throw std::runtime_error("enough"); });
    Future<int> future = session.submit<int>("train", 100, thrower);
    std::string thrown;
    try {
        future.get();
    } catch (const std::runtime_error& error) {
        thrown = error.what();
    }
    CHECK_EQ("enough", thrown);
    CHECK(!future.valid());
    CHECK_EQ("no_request", code_of([&] { future.get(); }));
    CHECK_EQ("done", future.state());
    CHECK(future.progress().has_value());
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("a value of a stream that is of another type costs none of the others") {
    Started session("narrow");
    const std::vector<int> values{1, 300, 2};
    tr::Stream<std::int8_t, int> doubles =
        session.stream<std::int8_t, int>("doubles", tr::input_from(values.begin(), values.end()));
    CHECK(2 == doubles.next());
    CHECK_EQ("wrong_type", code_of([&] { doubles.next(); }));
    CHECK(4 == doubles.next());
    CHECK(!doubles.next().has_value());
    CHECK_EQ(3, doubles.result());
}

TEST("a function of the host has the types of C++") {
    Started session("asks");
    session.expose("add", [](int a, int b) { return a + b; });
    session.expose("nothing", [] {});
    session.expose("shout", [](std::string text) { return text + "!"; });
    const tr::Tensor tensor = tr::Tensor::full(tr::Shape({300, 300}), 1.0);
    session.expose("bigger", [&](const tr::Tensor& given) {
        CHECK(given == tensor);
        return tensor;
    });
    CHECK_EQ(5, session.call<int>("ask", "add", Value::List{2, 3}));
    CHECK(session.call("ask", "nothing", Value::List{}).is_null());
    CHECK(session.call<tr::Tensor>("ask", "bigger", Value::List{tensor}) == tensor);
    CHECK_EQ("hello!", session.fetch_response("text hello"));
    const std::string large(200000, 'x');
    CHECK_EQ(large + "!", session.call<std::string>("ask", "shout", Value::List{large}));
    session.unexpose("add");
    CHECK_EQ("unknown_command", ask(session, "add", {2, 3}).substr(0, 15));
    session.expose("nothing", nullptr);
    CHECK_EQ("unknown_command", ask(session, "nothing").substr(0, 15));
    CHECK_EQ("bad_message", code_of([&] { session.expose("_private", [] {}); }));
}

TEST("what a function throws is an error of the handler") {
    Started session("throws");
    session.expose("add", [](int a, int b) { return a + b; });
    session.expose("fails", [] { throw std::runtime_error("no price"); });
    session.expose("odd", [] { throw 42; });
    session.expose("late", [] { throw tr::TimedOut("too late"); });
    CHECK_EQ("command_failed std::exception no price", ask(session, "fails"));
    CHECK_EQ("command_failed unknown", ask(session, "odd").substr(0, 22));
    CHECK_EQ("command_failed tech_renaissance.TimedOut too late", ask(session, "late"));
    CHECK_EQ("wrong_arguments  wrong arguments for add: it takes 2 arguments, not 1", ask(session, "add", {1}));
    CHECK_EQ("wrong_arguments", ask(session, "add", {1, "b"}).substr(0, 15));
}

TEST("a function may call an async worker") {
    Started session(with_coroutines(options("async")));
    session.expose("twice", [&](int x) { return session.call<int>("double", session.call<int>("double", x)); });
    CHECK_EQ(12, session.call<int>("ask_async", "twice", Value::List{3}));
}

TEST("a dispatch runs what handlers ask, and tells how far they are") {
    Started session("dispatch");
    session.expose("note", [](int x) { return x; });
    const auto handle = session.wait_handle();
    int sum = 0;
    int told = 0;
    bool is_over = false;
    session.submit<int>("ask_often", "note", 100).on_done([&](Future<int> done) { sum = done.get(); });
    session.submit<int>("train", 20, on_progress([&](const Progress&) { ++told; })).on_done([&](Future<int> done) {
        CHECK_EQ(20, done.get());
        is_over = true;
    });
    session.dispatch();
    while (!is_over) {
        CHECK(is_ready(handle, 60s));
        session.dispatch();
    }
    CHECK_EQ(4950, sum);
    CHECK(told > 0);
    bool was_thrown = false;
    const auto thrower = on_progress([](const Progress&) { throw std::runtime_error("enough"); });
    session.submit<int>("train", 100, thrower).on_done([&](Future<int> done) {
        try {
            done.get();
        } catch (const std::runtime_error&) {
            was_thrown = true;
        }
    });
    session.dispatch();
    while (!was_thrown) {
        CHECK(is_ready(handle, 60s));
        session.dispatch();
    }
}

TEST("what on_progress throws in a dispatch is what the call gives, also if its answer has come") {
    Started session("late_thrower");
    session.dispatch();  // the first: from now on dispatches are told of all news
    const auto thrower = on_progress([](const Progress&) { throw std::runtime_error("enough"); });
    Future<int> future = session.submit<int>("train", 1, thrower);
    while (!future.ready()) std::this_thread::yield();
    session.dispatch();
    CHECK_EQ("enough", what_of([&] { future.get(); }));
}

TEST("what on_progress throws when nobody has its call any more leaves a dispatch, and no other call waits for that") {
    Started session(with_coroutines(options("nobodys")));
    bool was_asked = false;
    session.expose("note", [&](int x) {
        was_asked = true;
        return x;
    });
    std::optional<Future<void>> nobodys;
    nobodys = session.submit<void>("tell_and_rest", on_progress([&](const Progress&) {
                                       nobodys = std::nullopt;
                                       throw std::runtime_error("enough");
                                   }));
    while (!nobodys->progress()) std::this_thread::yield();
    Future<int> other = session.submit<int>("ask_beside", "note", Value::List{7});
    while (other.state() != "asking") std::this_thread::yield();
    CHECK_EQ("enough", what_of([&] { session.dispatch(); }));
    CHECK(!nobodys);
    CHECK(was_asked);
    CHECK_EQ(7, other.get());
}

TEST("a function ends the worker that waits for it") {
    Started session("ends");
    session.expose("nothing", [&] { session.terminate(); });
    CHECK_EQ("session_closed", code_of([&] { session.call("ask_and_die", "nothing"); }));
    session.start(60000);
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("a function destroys its session, whose call then has ended") {
    auto session = std::make_unique<Started>("destroys");
    session->expose("nothing", [&] { session = nullptr; });
    Future<Value> future = session->submit("ask", "nothing", Value::List{});
    CHECK_EQ("session_closed", code_of([&] { future.get(); }));
    CHECK(session == nullptr);
}

TEST("a call with a deadline ends though its function does not return in time") {
    Started session("deadline");
    session.expose("slow", [] { std::this_thread::sleep_for(300ms); });
    CallOptions soon;
    soon.deadline = 50ms;
    CHECK_EQ("deadline_passed", code_of([&] { session.call("ask", "slow", Value::List{}, soon); }));
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("several threads ask and are told at once") {
    Started session("threads");
    session.expose("note", [](int x) { return x; });
    std::vector<Helper> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 20; ++n) {
                CHECK_EQ(n, session.call<int>("ask", "note", Value::List{n}));
                CHECK_EQ(2 * n, session.call<int>("double", n));
            }
        });
    }
    for (Helper& thread : threads) thread.join();
}

TEST("with output by lines, a call of a function of the host is served") {
    SessionOptions how = with_coroutines(options("lines"));
    how.output = tr::OutputCallback([](const tr::OutputLine&) {});
    Started session(how);
    session.expose("twice", [&](int x) { return session.call<int>("double", x); });
    CHECK_EQ(6, session.call<int>("ask_async", "twice", Value::List{3}));
}

TEST("values are pushed one after another while the command works") {
    Started session("pushes");
    auto push = session.open<double>("mean", tr::input, tr::kw("scale", 2.0));
    for (int i = 0; i < 1000; ++i) CHECK(push.push(double(i)));
    CHECK_EQ(999.0, push.finish());
    auto named = session.open<double>("mean", tr::kw("values", tr::input));
    CHECK_EQ(0.0, named.finish());
    auto mixed = session.open<Value>("first", tr::input, 3);
    const tr::Tensor tensor = tr::Tensor::full(tr::Shape({300, 300}), 1.0);
    mixed.push("text");
    mixed.push(tensor);
    mixed.push(std::map<std::string, std::vector<double>>{{"$", std::vector<double>(100, 0.5)}});
    const Value values = mixed.finish();
    CHECK_EQ("text", values[0].text());
    CHECK(values[1].tensor() == tensor);
    CHECK_EQ(0.5, values[2]["$"][99].as<double>());
}

TEST("a command that returns early takes no more, and that is no error") {
    Started session("early");
    auto push = session.open<std::vector<int>>("first", tr::input, 2);
    int pushed = 0;
    while (pushed < 9999 && push.push(pushed)) ++pushed;  // over files it takes them all, at most 10,000
    CHECK(pushed >= 2);
    CHECK((std::vector<int>{0, 1} == push.finish()));
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("an input that is not finished is given up, and the worker goes on") {
    Started session("given_up");
    {
        auto push = session.open<double>("mean", tr::input);
        push.push(1.0);
        auto moved = std::move(push);
        moved.push(2.0);
    }
    CHECK_EQ(4, session.call<int>("double", 2));
    auto closed = session.open<double>("mean", tr::input);
    closed.close();
    CHECK_EQ("no_request", code_of([&] { closed.push(1.0); }));
    CHECK_EQ("no_request", code_of([&] { closed.finish(); }));
    auto unknown = session.open("nonsense", tr::input);
    CHECK_EQ("unknown_command", code_of([&] { unknown.finish(); }));
}

TEST("what becomes of a push is said in time, and as often as it is asked") {
    Started session("says_it");
    auto slow = session.open<void>("take_none", tr::input);
    for (int i = 0; i < 2; ++i) CHECK_EQ("timed_out", code_of([&] { slow.finish(50ms); }));
    slow.cancel();
    CHECK_EQ("cancelled", code_of([&] { slow.finish(60s); }));
    auto ended = session.open<double>("mean", tr::input);
    ended.push(1.0);
    session.terminate();
    CHECK_EQ("session_closed", code_of([&] { ended.finish(60s); }));
    CHECK_EQ("no_request", code_of([&] { ended.finish(60s); }));
}

TEST("over files an input that makes too long a text is refused, as often as it is to be sent") {
    if (std::getenv("TR_TRANSPORT") != std::string("file")) return;  // elsewhere it travels value by value
    Started session("too_long");
    auto push = session.open<Value>("first", tr::input, 3);
    const std::string large(std::size_t{33} << 20, 'x');
    for (int i = 0; i < 2; ++i) CHECK(push.push(large));
    for (int i = 0; i < 2; ++i) CHECK_EQ("too_large", code_of([&] { push.finish(); }));
}

TEST("the thread that pushes answers what the handler asks") {
    Started session("push_asks");
    session.expose("note", [](int x) { return x; });
    auto push = session.open<int>("ask_of_each", tr::input);
    for (int i = 0; i < 100; ++i) CHECK(push.push(i));
    CHECK_EQ(4950, push.finish());
}

TEST("a worker that dies of an input says so to who pushes") {
    Started session("dies_of_it");
    auto push = session.open<void>("die_of", tr::input);
    for (int i = 0; i < 3; ++i) push.push(i);
    for (int i = 0; i < 9000 && push.push(i); ++i) {
    }
    CHECK_EQ("worker_lost", code_of([&] { push.finish(); }));
}

TEST("a push outlives its session") {
    auto session = std::make_unique<Started>("outlives");
    auto push = session->open<double>("mean", tr::input);
    push.push(1.0);
    session = nullptr;
    CHECK_EQ("session_closed", code_of([&] {
                 push.push(1.0);
                 push.finish();
             }));
}

TEST("a thread that has opened an input may not wait for later calls before its end") {
    Started session("holds");
    Future<int> earlier = session.submit<int>("double", 1);
    auto push = session.open<double>("mean", tr::input);
    if (push.progress() || std::getenv("TR_TRANSPORT") == std::string("file"))
        return;  // there it has not been sent yet
    CHECK_EQ(2, earlier.get());
    CHECK(push.push(1.0));
    Future<int> later = session.submit<int>("double", 4);
    CHECK_EQ("would_wait_for_itself", code_of([&] { later.get(); }));
    CHECK_EQ("would_wait_for_itself", code_of([&] { session.call<int>("double", 1); }));
    CHECK_EQ("would_wait_for_itself", code_of([&] { session.fetch_response("text x"); }));
    CHECK_EQ("would_wait_for_itself", code_of([&] { session.wait_until_ok(); }));
    CHECK_EQ("would_wait_for_itself", code_of([&] { session.please_exit(); }));
    std::vector<Future<int>> in_line;
    CHECK_EQ("would_wait_for_itself", code_of([&] {
                 while (session.flush()) in_line.push_back(session.submit<int>("double", 1));
             }));
    in_line.clear();
    auto second = session.open<double>("mean", tr::input);
    CHECK_EQ("would_wait_for_itself", code_of([&] { second.finish(); }));
    Helper elsewhere([&] { CHECK(push.push(3.0)); });
    elsewhere.join();
    CHECK_EQ(2.0, push.finish());
    CHECK_EQ(0.0, second.finish());
    CHECK_EQ(8, later.get());
    auto closed = session.open<double>("mean", tr::input);
    closed.close();
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("a call takes its input from a function, or a range, and a stream does, too") {
    Started session("sources");
    int next = 0;
    const auto count =
        tr::input_from([&]() -> std::optional<int> { return next < 100 ? std::optional(next++) : std::nullopt; });
    CHECK_EQ(49.5, session.call<double>("mean", count));
    const std::vector<double> values(1000, 2.0);
    CHECK_EQ(6.0, session.call<double>("mean", tr::kw("values", tr::input_from(values.begin(), values.end())),
                                       tr::kw("scale", 3.0)));
    int sum = 0;
    const std::vector<int> numbers{1, 2, 3, 4, 5};
    auto doubled = session.stream<int, int>("doubles", tr::input_from(numbers.begin(), numbers.end()));
    for (const int value : doubled) sum += value;
    CHECK_EQ(30, sum);
    CHECK_EQ(5, doubled.result());
    bool was_thrown = false;
    try {
        session.call<double>("mean", tr::input_from([]() -> std::optional<int> { throw 42; }));
    } catch (int thrown) {
        was_thrown = thrown == 42;
    }
    CHECK(was_thrown);
    if (std::getenv("TR_TRANSPORT") != std::string("file")) {  // there all values are taken before
        auto open = session.stream<int, int>("doubles", tr::input_from(values.begin(), values.end()));
        CHECK_EQ("would_wait_for_itself", code_of([&] { session.call<int>("double", 1); }));
        CHECK_EQ(4, *open.next());
        CHECK_EQ("would_wait_for_itself", code_of([&] {
                     while (session.call<int>("double", 1) == 2) {  // until the worker has had the values it was given
                     }
                 }));
        CHECK_EQ(1000, open.result());
        CHECK_EQ("timed_out", code_of([&] {
                     const CallOptions soon{50ms};
                     session.call<double>("mean", tr::input_from([] { return std::optional<int>(1); }), soon);
                 }));
        CHECK_EQ("would_wait_for_itself", code_of([&] {
                     const auto calls = [&]() -> std::optional<int> { return session.call<int>("double", 1); };
                     session.call<double>("mean", tr::input_from(calls));
                 }));
    }
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("a session that ends while a push, or a stream's input, waits or works ends that, too") {
    auto session = std::make_unique<Started>("ends_push");
    std::atomic<int> pushed{0};
    auto push = session->open<void>("take_none", tr::input);
    Helper pushing([&] {
        CHECK_EQ("session_closed", code_of([&] {
                     for (; pushed < 9000 && push.push(1); ++pushed) {
                     }
                     push.finish();  // over files all values are gathered first
                 }));
    });
    while (pushed < 16) std::this_thread::yield();
    session = nullptr;
    pushing.join();

    session = std::make_unique<Started>("ends_stream");
    const auto ends = [&]() -> std::optional<int> {
        session = nullptr;
        return 1;
    };
    if (std::getenv("TR_TRANSPORT") == std::string("file")) return;  // there it is taken before the call is made
    auto stream = session->stream<int>("doubles", tr::input_from(ends));
    CHECK_EQ("session_closed", code_of([&] { stream.next(); }));
}

TEST("whatever a function, or an input, throws leaves the session whole") {
    Started session("throws_all");
    session.expose("odd", [] { throw 42; });
    session.expose("null", [] { throw static_cast<const char*>(nullptr); });
    session.expose("large", [] { throw std::runtime_error(std::string(200000, 'x')); });
    CHECK_EQ("command_failed unknown", ask(session, "odd").substr(0, 22));
    CHECK_EQ("command_failed unknown", ask(session, "null").substr(0, 22));
    CHECK_EQ("command_failed std::exception xxx", ask(session, "large").substr(0, 33));
    bool was_thrown = false;
    try {
        auto stream = session.stream<int>("doubles", tr::input_from([]() -> std::optional<int> { throw "text"; }));
        stream.next();
    } catch (const char*) {
        was_thrown = true;
    }
    CHECK(was_thrown);
    CHECK_EQ(4, session.call<int>("double", 2));
}
