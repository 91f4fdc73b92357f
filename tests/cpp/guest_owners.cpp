// Functions that own what calls them, for tests/test_cpp_owners.py: like unit tests, but with a worker.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "guest_session.h"
#include "tech_renaissance.h"

using tr::CallOptions;
using tr::Future;
using tr::on_progress;
using tr::Progress;
using tr::PythonSession;
using namespace std::chrono_literals;

namespace {

std::function<std::optional<int>()> endless() {
    return [] { return std::optional<int>(1); };
}

// Says whether it, and so the function that owns it, still exists.
class Owned {
public:
    explicit operator bool() const { return !gone_.expired(); }
    // A function that owns it.
    std::function<void(const Progress&)> owner() {
        auto token = std::make_shared<int>();
        gone_ = token;
        return [token = std::move(token)](const Progress&) {};
    }

private:
    std::weak_ptr<int> gone_;
};

// Destroys itself in the thread that lets go of it last.
struct Client {
    explicit Client(tr::SessionOptions how) : session(std::move(how)) {}
    ~Client() { destroyed_in = std::this_thread::get_id(); }
    PythonSession session;
    static inline std::thread::id destroyed_in;
};

}  // namespace

TEST("a call that is given up may own other calls of its session") {
    Started session("owns_calls");
    {
        auto owned = std::make_shared<Future<int>>(session.submit<int>("double", 1));
        const Future<int> dropped = session.submit<int>("train", 20, on_progress([owned](const Progress&) {}));
        owned = nullptr;
        session.flush();
    }
    CHECK_EQ(6, session.call<int>("double", 3));
    if (std::getenv("TR_TRANSPORT") == std::string("file")) return;  // there an input is taken before the call is made
    {
        auto owned = std::make_shared<tr::Stream<int>>(session.stream<int>("doubles", tr::input_from(endless())));
        const auto left = session.stream<int>("doubles", tr::input_from([owned] { return endless()(); }));
        owned = nullptr;
        session.flush();
    }
    CHECK_EQ(8, session.call<int>("double", 4));
}

TEST("a function is destroyed as soon as its call is given up, or its result was taken") {
    Started session("as_soon_as");
    Owned owned;
    {
        Future<int> future = session.submit<int>("double", 1, on_progress(owned.owner()));
        CHECK(owned);
        CHECK_EQ(2, future.get());
        CHECK(!owned);
    }
    {
        const Future<int> dropped = session.submit<int>("train", 20, on_progress(owned.owner()));
    }
    CHECK(!owned);
    CHECK_EQ(4, session.call<int>("double", 2, on_progress(owned.owner())));
    CHECK(!owned);
    try {
        const CallOptions soon{10ms};
        session.call<int>("train", 500, on_progress(owned.owner()), soon);
        CHECK(false);
    } catch (const tr::TimedOut&) {
    }
    CHECK(!owned);
    Future<int> future = session.submit<int>("double", 3, on_progress(owned.owner()));
    std::move(future).on_done([&](Future<int> done) {
        CHECK_EQ(6, done.get());
        CHECK(!owned);
    });
    while (owned) session.dispatch();
    session.terminate();
    try {
        const Future<int> refused = session.submit<int>("double", 1, on_progress(owned.owner()));
    } catch (const tr::SessionClosed&) {
    }
    CHECK(!owned);
}

TEST("what a function throws is destroyed by whoever catches it") {
    Started session("thrown");
    struct Thrown : std::runtime_error {
        explicit Thrown(std::shared_ptr<int> its_token) : std::runtime_error("thrown"), token(std::move(its_token)) {}
        std::shared_ptr<int> token;
    };
    std::weak_ptr<int> weak;
    const auto throws = on_progress([&](const Progress&) {
        auto token = std::make_shared<int>();
        weak = token;
        throw Thrown(std::move(token));
    });
    Future<int> future = session.submit<int>("train", 100, throws);
    try {
        future.get();
        CHECK(false);
    } catch (const Thrown&) {
        CHECK(!weak.expired());
    }
    CHECK(weak.expired());
    CHECK_EQ(4, session.call<int>("double", 2));
}

TEST("a call that is sent and forgotten may own its session, which ends in the thread of its last owner") {
    const auto client = std::make_shared<Client>(options("forgotten"));
    client->session.start(60000);
    {
        CallOptions limited;
        limited.deadline = 50ms;
        std::shared_ptr<Client> owner = client;
        const Future<int> forgotten =
            owner->session.submit<int>("train", 100000, on_progress([owner](const Progress&) {}), limited);
        owner->session.flush();
    }
    CHECK_EQ(1, client.use_count());
    try {
        client->session.call<int>("double", 1);
    } catch (const tr::TRException&) {  // its worker may have ended for the sake of the deadline
    }
    CHECK_EQ(1, client.use_count());
}

TEST("a function may own the last of its session, even while it runs") {
    auto client = std::make_shared<Client>(options("last"));
    client->session.start(60000);
    const std::string directory = client->session.session_dir();
    Future<int> future = client->session.submit<int>(
        "train", 100000, on_progress([client](const Progress&) mutable { client = nullptr; }));
    client = nullptr;
    try {
        future.get();
        CHECK(false);
    } catch (const tr::SessionClosed&) {
    }
    CHECK(Client::destroyed_in == std::this_thread::get_id());
    CHECK(!std::filesystem::exists(directory));

    client = std::make_shared<Client>(options("last"));
    client->session.start(60000);
    future = client->session.submit<int>("train", 100000, on_progress([client](const Progress&) {}));
    client = nullptr;
    future = Future<int>();
    CHECK(!std::filesystem::exists(directory));
}

TEST("an exposed function that is replaced or removed may own anything of its session") {
    Started session("exposed");
    const auto owner = [&](const char* name) {
        std::shared_ptr<void> owned(nullptr, [&session, name](void*) { session.expose(name, [] { return 7; }); });
        return [owned = std::move(owned)] { return 1; };
    };
    session.expose("one", owner("two"));
    session.expose("one", [] { return 5; });
    CHECK_EQ(7, session.call<int>("ask", "two", tr::Value::List{}));
    session.expose("one", owner("three"));
    session.unexpose("one");
    CHECK_EQ(7, session.call<int>("ask", "three", tr::Value::List{}));
}

TEST("on_restart may destroy its session") {
    tr::SessionOptions supervised = options("in_hook");
    supervised.restart = tr::Restart::on_crash;
    supervised.restart_policy.first_backoff = 0ms;
    std::shared_ptr<Client> client;
    std::atomic<bool> has_run{false};
    supervised.on_restart = [&](PythonSession&) {
        client = nullptr;
        has_run = true;
    };
    client = std::make_shared<Client>(std::move(supervised));
    client->session.start(60000);
    client->session.expose("nothing", [] {});
    const std::string directory = client->session.session_dir();
    Future<void> dies = client->session.submit<void>("ask_and_die", "nothing");
    try {
        dies.get();
        CHECK(false);
    } catch (const tr::TRException&) {
    }
    while (!has_run) std::this_thread::yield();
    while (std::filesystem::exists(directory)) std::this_thread::yield();
}

TEST("a callback for output may use its session while that is destroyed, and is told that it has ended") {
    const auto code_of = [](const std::function<void()>& use) -> std::string {
        try {
            use();
            return "";
        } catch (const tr::TRException& error) {
            return error.code();
        }
    };
    std::vector<std::string> codes;
    int said = 0;
    std::unique_ptr<Started> owner;
    std::atomic<PythonSession*> session{nullptr};
    tr::SessionOptions how = options("in_the_end");
    how.output = [&](const tr::OutputLine& line) {
        if (line.text != "word") return;
        ++said;
        while (said == 1 && code_of([&] { session.load()->call<int>("double", 1); }) != "session_closed") {
        }
        while (session.load()->is_alive()) std::this_thread::yield();
        codes.push_back(code_of([&] { session.load()->start(); }));
        codes.push_back(code_of([&] { session.load()->empty(tr::Shape(1)); }));
        codes.push_back(code_of([&] { session.load()->submit<int>("double", 1).get(); }));
        session.load()->terminate();
        CHECK(!session.load()->is_ready());
    };
    owner = std::make_unique<Started>(std::move(how));
    session = owner.get();
    owner->call<void>("say", "word", 100);
    owner = nullptr;
    CHECK_EQ(100, said);
    CHECK((codes == std::vector<std::string>(300, "session_closed")));
}
