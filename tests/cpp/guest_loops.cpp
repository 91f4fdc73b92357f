// Sessions in the event loop of their program, for tests/test_event_loops.py: like unit tests, but with a worker.
#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "guest_session.h"
#include "handles.h"
#include "tech_renaissance.h"

using tr::Future;
using tr::PythonSession;
using tr::SessionOptions;
using namespace std::chrono_literals;

namespace {

// Turns the loop until it is over.
void run(PythonSession& session, const std::function<bool()>& is_over) {
    const auto handle = session.wait_handle();
    session.dispatch();
    while (!is_over()) {
        CHECK(is_ready(handle, 60s));
        session.dispatch();
    }
}

// Whether the handle comes to rest: a worker may tell of something after its answer, over files of its state.
bool comes_to_rest(PythonSession& session) {
    const auto handle = session.wait_handle();
    int quiet = 0;
    for (int i = 0; i < 100 && quiet < 2; ++i) {
        if (is_ready(handle, 50ms)) {
            quiet = 0;
            session.dispatch();
        } else {
            ++quiet;
        }
    }
    return quiet == 2;
}

// Functions that were posted, in the thread that runs it.
class Loop {
public:
    void post(std::function<void()> task) {
        const std::lock_guard<std::mutex> lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    PythonSession::Executor executor() {
        return [this](std::function<void()> task) { post(std::move(task)); };
    }
    void run(const std::function<bool()>& is_over) {
        while (!is_over()) {
            std::vector<std::function<void()>> tasks;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                tasks.swap(tasks_);
            }
            for (const auto& task : tasks) task();
            std::this_thread::yield();
        }
    }

private:
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
};

// How a call ended: its result, or the code of its error.
template <class T>
std::string outcome(Future<T> done) {
    try {
        std::ostringstream text;
        text << done.get();
        return text.str();
    } catch (const tr::TRException& error) {
        return error.code();
    }
}

}  // namespace

TEST("a thousand calls end in the loop that made them") {
    Started session("thousand");
    long sum = 0;
    int left = 1000;
    for (int i = 0; i < 1000; ++i) {
        session.submit<int>("double", i).on_done([&](Future<int> done) {
            sum += done.get();
            --left;
        });
    }
    run(session, [&] { return left == 0; });
    CHECK_EQ(999000, sum);
}

TEST("the handle is quiet when there is nothing to do") {
    Started session("quiet");
    session.wait_handle();
    CHECK_EQ(4, session.call<int>("double", 2));
    CHECK(comes_to_rest(session));
}

TEST("a callback makes the next call") {
    Started session("chain");
    int at = 1;
    std::function<void(Future<int>)> next = [&](Future<int> done) {
        at = done.get();
        if (at < 1000) session.submit<int>("double", at).on_done(next);
    };
    session.submit<int>("double", 1).on_done(next);
    run(session, [&] { return at >= 1000; });
    CHECK_EQ(1024, at);
}

TEST("a callback hears of the worker's death, and the handle outlives it") {
    SessionOptions how = options("death");
    how.restart = tr::Restart::on_crash;
    how.restart_policy.first_backoff = 1ms;
    Started session(how);
    const auto handle = session.wait_handle();
    std::string first, second;
    session.submit<void>("die").on_done([&](Future<void> done) {
        try {
            done.get();
        } catch (const tr::WorkerLost& error) {
            first = error.code();
        }
        session.submit<int>("double", 21).on_done([&](Future<int> next) { second = outcome(std::move(next)); });
    });
    run(session, [&] { return !second.empty(); });
    CHECK_EQ("worker_lost", first);
    CHECK_EQ("42", second);
    CHECK(handle == session.wait_handle());
}

TEST("a dead worker leaves the handle quiet") {
    Started session("dead");
    std::string end;
    session.submit<int>("die").on_done([&](Future<int> done) { end = outcome(std::move(done)); });
    run(session, [&] { return !end.empty(); });
    CHECK_EQ("worker_lost", end);
    CHECK(comes_to_rest(session));
}

TEST("a thread that waits and a loop get what is theirs") {
    Started session("both");
    std::atomic<int> left{200};
    Helper other([&] {
        for (int i = 0; i < 200; ++i) CHECK_EQ(2 * i, session.call<int>("double", i));
    });
    for (int i = 0; i < 200; ++i)
        session.submit<int>("double", i).on_done([&](Future<int> done) { left -= done.get() >= 0 ? 1 : 0; });
    run(session, [&] { return left == 0; });
    other.join();
}

TEST("two threads dispatch") {
    Started session("two");
    const auto handle = session.wait_handle();
    std::atomic<int> left{500};
    for (int i = 0; i < 500; ++i) session.submit<int>("double", i).on_done([&](Future<int>) { --left; });
    std::vector<Helper> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            while (left > 0) {
                if (is_ready(handle, 10ms)) session.dispatch();
            }
        });
    }
    session.dispatch();
    for (Helper& thread : threads) thread.join();
    CHECK_EQ(0, left.load());
}

TEST("what a callback throws comes out of dispatch, and the others come next") {
    Started session("throws");
    int called = 0;
    for (int i = 0; i < 2; ++i) {
        session.submit<int>("double", i).on_done([&](Future<int>) {
            ++called;
            throw std::runtime_error("thrown");
        });
    }
    const auto handle = session.wait_handle();
    int thrown = 0;
    for (session.flush(); called < 2; CHECK(is_ready(handle, 60s))) {
        try {
            session.dispatch();
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        if (called == 2) break;
    }
    CHECK_EQ(2, thrown);
}

TEST("an executor gets one dispatch after another") {
    Started session("executor");
    Loop loop;
    session.on_done(loop.executor());
    int left = 300;
    for (int i = 0; i < 300; ++i) session.submit<int>("double", i).on_done([&](Future<int>) { --left; });
    loop.run([&] { return left == 0; });
    session.on_done(nullptr);
}

TEST("an executor may run what it gets at once, and may throw or drop it") {
    Started session("odd");
    std::atomic<int> turns{0};
    session.on_done([&](const std::function<void()>& dispatch) {
        if (++turns == 1) throw std::runtime_error("thrown");
        if (turns > 2) dispatch();
    });
    std::atomic<bool> called{false};
    session.submit<int>("double", 1).on_done([&](Future<int>) { called = true; });
    while (!called) std::this_thread::yield();
    CHECK(turns > 2);
}

TEST("a callback destroys its session") {
    auto session = std::make_unique<Started>("suicide");
    Loop loop;
    session->on_done(loop.executor());
    session->submit<int>("double", 1).on_done([&](Future<int>) { session = nullptr; });
    loop.run([&] { return session == nullptr; });
}

TEST("a callback destroys its session in the session's own thread") {
    auto session = std::make_unique<Started>("own");
    std::atomic<bool> is_gone{false};
    session->on_done([](const std::function<void()>& dispatch) { dispatch(); });
    session->submit<int>("double", 1).on_done([&](Future<int>) {
        session = nullptr;
        is_gone = true;
    });
    while (!is_gone) std::this_thread::yield();
}

TEST("a session that ends drops its callbacks without calling them") {
    const auto witness = std::make_shared<int>(0);
    {
        Started session("dropped");
        session.wait_handle();
        session.submit<std::string>("nap", 60.0).on_done([witness](Future<std::string>) { ++*witness; });
        session.submit<int>("double", 1).on_done([witness](Future<int>) { ++*witness; });
        CHECK_EQ(3, witness.use_count());
    }
    CHECK_EQ(0, *witness);
    CHECK_EQ(1, witness.use_count());
}

TEST("an ended session refuses callbacks and dispatches nothing") {
    Future<int> future;
    {
        Started session("ended");
        future = session.submit<int>("double", 1);
    }
    CHECK_THROWS(tr::SessionClosed, "session_closed", std::move(future).on_done([](Future<int>) {}));
    PythonSession fresh(options("fresh"));
    fresh.dispatch();
    CHECK(!is_ready(fresh.wait_handle()));
    fresh.dispatch();
}
