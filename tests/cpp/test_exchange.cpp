// The exchange: calls of any number of threads over one transport.
#include "tech_renaissance/detail/exchange.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "check.h"

using tr::LaunchError;
using tr::RemoteProtocolError;
using tr::SessionClosed;
using tr::TimedOut;
using tr::WorkerLost;
using tr::detail::Arrival;
using tr::detail::Call;
using tr::detail::Exchange;
using tr::detail::Exiting;
using tr::detail::Ready;
using tr::detail::Reply;
using tr::detail::Request;
using tr::detail::State;
using tr::detail::Unreadable;
using tr::detail::WaitHandle;
using namespace std::chrono_literals;

namespace {

// Says what the test lets it say.
class FakeTransport final : public tr::detail::HostTransport {
public:
    void say(Arrival arrival) {
        const std::lock_guard<std::mutex> lock(mutex_);
        arrivals_.push_back(std::move(arrival));
        changed_.notify_all();
    }
    void say_reply(std::int64_t id, const std::string& result) {
        Reply reply;
        reply.response.id = id;
        reply.response.result = result;
        say(std::move(reply));
    }
    // Every request is answered by its own command.
    void echo() { echo_ = true; }
    void set_room(int room) {
        const std::lock_guard<std::mutex> lock(mutex_);
        room_ = room;
        woken_ = true;
        changed_.notify_all();
    }
    void break_down() { broken_ = true; }
    // There is always one more of this.
    void never_stop(const Arrival& arrival) {
        const std::lock_guard<std::mutex> lock(mutex_);
        endless_ = arrival;
    }

    bool try_send(const Request& request) override {
        if (broken_) throw std::system_error(std::make_error_code(std::errc::no_space_on_device));
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (room_ == 0) return false;
            --room_;
        }
        if (echo_ && request.id) {
            say_reply(*request.id, request.command);
            set_room(1);
        }
        return true;
    }
    std::optional<Arrival> receive(std::chrono::milliseconds timeout) override {
        CHECK_EQ(1, ++receivers_);
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, timeout, [this] { return !arrivals_.empty() || endless_ || woken_ || gone_; });
        woken_ = false;
        std::optional<Arrival> arrival = endless_;
        if (!arrivals_.empty()) {
            arrival = std::move(arrivals_.front());
            arrivals_.pop_front();
        }
        --receivers_;
        return arrival;
    }
    void wake() noexcept override {
        const std::lock_guard<std::mutex> lock(mutex_);
        woken_ = true;
        changed_.notify_all();
    }
    // The process is gone: like an exit handle, that ends every wait from now on.
    void go() {
        gone_ = true;
        wake();
    }
    tr::detail::Offer prepare() override { return {}; }
    void watch_exit(WaitHandle) override {}
    void put_tensor(const std::string&, const tr::Tensor&) override {}
    void drop_tensor(const std::string&) override {}
    tr::Tensor empty(const tr::Shape& shape, tr::DType dtype) override { return tr::Tensor::empty(shape, dtype); }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Arrival> arrivals_;
    std::optional<Arrival> endless_;
    int room_ = 100;
    bool woken_ = false;
    std::atomic<int> receivers_{0};
    std::atomic<bool> echo_{false};
    std::atomic<bool> broken_{false};
    std::atomic<bool> gone_{false};
};

struct Fixture {
    FakeTransport transport;
    std::atomic<bool> exited{false};
    Exchange exchange{transport, [this] { return exited.load(); },
                      [](bool starting) {
                          return starting ? std::make_exception_ptr(LaunchError("died_at_start", "it died"))
                                          : std::make_exception_ptr(WorkerLost("worker_lost", "it died"));
                      }};

    std::shared_ptr<Call> call(std::int64_t id, const std::string& command = "command") {
        auto call = std::make_shared<Call>();
        call->request.command = command;
        call->request.id = id;
        return call;
    }
    std::shared_ptr<Call> sent(std::int64_t id) {
        auto one = call(id);
        exchange.send(one, 1min);
        return one;
    }
    std::string result(const std::shared_ptr<Call>& one) { return exchange.wait(one, 1min).response.result; }
    void end() {
        exited = true;
        transport.go();
    }
};

struct ReadyFixture : Fixture {
    ReadyFixture() {
        transport.say(Ready{});
        CHECK(exchange.wait_started(1min));
    }
};

}  // namespace

TEST("a call gets its answer") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.say_reply(1, "answer");
    CHECK_EQ("answer", f.result(call));
    CHECK(f.exchange.state() == State::ready);
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
    CHECK_THROWS(TimedOut, "timed_out", f.exchange.wait(late, 0ms));
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
    CHECK_THROWS(RemoteProtocolError, "bad_json", f.exchange.wait(first, 1min));
    CHECK_EQ("two", f.result(second));
    CHECK(!f.exchange.last_failed());
}

TEST("an answer to no call fails those that wait, as nobody knows whose it is") {
    ReadyFixture f;
    const auto call = f.sent(1);
    f.transport.say_reply(7, "whose?");
    CHECK_THROWS(RemoteProtocolError, "bad_state", f.exchange.wait(call, 1min));
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
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.exchange.wait(second, 1min));
    CHECK_THROWS(RemoteProtocolError, "broken_ring", f.exchange.wait(first, 1min));
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
    CHECK_THROWS(RemoteProtocolError, "bad_state", f.exchange.wait(call, 1min));
    CHECK(f.exchange.state() == State::busy);
    CHECK_THROWS(TimedOut, "timed_out", f.exchange.wait(f.call(2), 0ms));
}

TEST("a call waits for room") {
    ReadyFixture f;
    f.transport.set_room(0);
    CHECK_THROWS(TimedOut, "timed_out", f.exchange.send(f.call(1), 0ms));
    std::thread makes_room([&] { f.transport.set_room(1); });
    f.exchange.send(f.call(2), 1min);
    makes_room.join();
    CHECK(f.exchange.state() == State::busy);
}

TEST("what a worker said before it died counts, then its death") {
    ReadyFixture f;
    const auto first = f.sent(1);
    const auto second = f.sent(2);
    f.transport.say_reply(1, "last words");
    f.end();
    CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.wait(second, 1min));
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
            CHECK_THROWS(WorkerLost, "worker_lost", f.exchange.wait(call, 1min));
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
                    f.exchange.send(call, 1min);
                }
                CHECK_EQ(text, f.result(call));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(f.exchange.state() == State::ready);
}
