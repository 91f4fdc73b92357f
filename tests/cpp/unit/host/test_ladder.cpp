// The steps that end a call.
#include "tech_renaissance/detail/host/ladder.h"

#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "fake_transport.h"
#include "tech_renaissance/detail/host/end_call.h"

using tr::CallCancelled;
using tr::CancelPatience;
using tr::PostMortem;
using tr::TimedOut;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::CallPtr;
using tr::detail::deadline_after;
using tr::detail::end_call;
using tr::detail::EndReason;
using tr::detail::Exchange;
using tr::detail::Ready;
using tr::detail::Step;
using tr::detail::WorkRecord;
using namespace std::chrono_literals;

namespace {

constexpr CancelPatience impatient{0ms, 0ms, 0ms};

// A worker that obeys at one step, in its way.
class FakeWorker final : public tr::detail::LadderHands {
public:
    FakeWorker() {
        transport.say(Ready{});
        CHECK(exchange.wait_started(1min));
    }

    CallPtr send(std::int64_t id) {
        auto call = std::make_shared<Call>();
        call->request.command = "command";
        call->request.id = id;
        CHECK(exchange.send(call, 1min));
        return call;
    }
    std::string end(std::int64_t id, EndReason why, const CancelPatience& patience = impatient) {
        return end_call(exchange, id, "command", why, patience, *this);
    }
    void die() {
        death = std::make_shared<PostMortem>();
        exited = true;
        transport.go();
    }

    void take(Step step, std::int64_t id, const std::string& why) override {
        taken.push_back(name_of(step));
        if (has_no_memory && step < Step::terminate) throw std::bad_alloc();
        if (step == Step::notice) transport.ask_to_cancel(id);
        if (step >= Step::terminate) {
            reason = why;
            last = step;
        }
        if (name_of(step) == obeys_at) obey();
    }
    std::optional<Step> ended_by() const override { return last; }
    std::string stacks_for(Exchange::Id) override {
        if (has_no_memory) throw std::bad_alloc();
        if (while_stacks_are_taken) while_stacks_are_taken();
        return "stacks";
    }
    bool wait_end(std::chrono::milliseconds) override { return exited; }
    std::shared_ptr<const PostMortem> post_mortem() override {
        if (has_no_memory_for_record) throw std::bad_alloc();
        return death;
    }

    FakeTransport transport;
    bool has_no_memory = false;
    bool has_no_memory_for_record = false;
    std::function<void()> while_stacks_are_taken;
    std::string obeys_at;
    std::function<void()> obey = [this] { transport.say_reply(1, "obeyed"); };
    std::vector<std::string> taken;
    std::optional<Step> last;
    std::string reason;
    std::atomic<bool> exited{false};
    std::shared_ptr<const PostMortem> death;
    WorkRecord work;
    tr::detail::CallQueue queue;
    Exchange exchange{
        transport,
        work,
        queue,
        {[this] { return exited.load(); }, [](bool, std::chrono::milliseconds) { return lost(); }, {}, {}, {}, {}}};

private:
    static std::exception_ptr lost() { return std::make_exception_ptr(WorkerLost("worker_lost", "it died")); }
};

}  // namespace

TEST("a handler that sees that it is given up needs no more") {
    FakeWorker worker;
    const CallPtr call = worker.send(1);
    worker.transport.say_reply(1, "seen");
    CHECK_EQ("notice", worker.end(1, EndReason::cancel, {1min, 1min, 1min}));
    CHECK_EQ(1, worker.transport.given_up.load());
    CHECK_THROWS(CallCancelled, "cancelled", call->take());
}

TEST("a call that is answered while its stacks are taken is over at once, without them") {
    FakeWorker worker;
    const CallPtr call = worker.send(1);
    std::string stack = "none was thrown";
    worker.while_stacks_are_taken = [&] {
        worker.transport.say_reply(1, "seen");
        CHECK(worker.exchange.wait(call, 1min));
        try {
            call->take();
        } catch (const TimedOut& error) {
            CHECK_EQ("notice", error.step());
            stack = error.stack();
        }
    };
    CHECK_EQ("notice", worker.end(1, EndReason::deadline, {1min, 1min, 1min}));
    CHECK_EQ("", stack);
}

TEST("a call for whose end there is no memory fails all the same") {
    FakeWorker worker;
    worker.obeys_at = "notice";
    worker.has_no_memory_for_record = true;
    const CallPtr call = worker.send(1);
    bool was_thrown = false;
    try {
        worker.end(1, EndReason::cancel);
    } catch (const std::bad_alloc&) {
        was_thrown = true;
    }
    CHECK(was_thrown);
    CHECK(call->done());
}

TEST("an interrupted handler leaves the worker alive, and the error has the stacks") {
    FakeWorker worker;
    worker.obeys_at = "interrupt";
    const CallPtr call = worker.send(1);
    CHECK_EQ("interrupt", worker.end(1, EndReason::deadline, {0ms, 1min, 1min}));
    CHECK((worker.taken == std::vector<std::string>{"notice", "interrupt"}));
    const auto error = check::caught<TimedOut>([&] { call->take(); });
    CHECK_EQ("deadline_passed", error.code());
    CHECK_EQ("interrupt", error.step());
    CHECK_EQ("stacks", error.stack());
    CHECK(error.post_mortem() == nullptr);
    CHECK(std::string(error.what()).find("'command' passed its deadline") == 0);
}

TEST("a handler that obeys at no step is ended with its worker") {
    FakeWorker worker;
    worker.obeys_at = "kill";
    worker.obey = [&] { worker.die(); };
    const CallPtr call = worker.send(1);
    const CallPtr other = worker.send(2);
    CHECK_EQ("kill", worker.end(1, EndReason::deadline));
    CHECK((worker.taken == std::vector<std::string>{"notice", "interrupt", "terminate", "kill"}));
    CHECK_EQ("'command' passed its deadline", worker.reason);
    const auto error = check::caught<TimedOut>([&] { call->take(); });
    CHECK_EQ("kill", error.step());
    CHECK(error.post_mortem() == worker.death);
    CHECK(worker.exchange.wait(other, 1min));
    CHECK_THROWS(WorkerLost, "worker_lost", other->take());
}

TEST("an answer on the way out does not save a worker that was told to end") {
    FakeWorker worker;
    worker.obeys_at = "terminate";
    worker.send(1);
    CHECK_EQ("kill", worker.end(1, EndReason::deadline));
}

TEST("a transport that is broken keeps no call from being ended") {
    FakeWorker worker;
    worker.obeys_at = "kill";
    worker.obey = [&] { worker.die(); };
    const CallPtr call = worker.send(1);
    worker.transport.break_receiving();
    CHECK_EQ("kill", worker.end(1, EndReason::cancel));
    CHECK_THROWS(CallCancelled, "cancelled", call->take());
}

TEST("what fails on the way keeps no call from being ended") {
    FakeWorker worker;
    worker.has_no_memory = true;
    worker.obeys_at = "kill";
    worker.obey = [&] { worker.die(); };
    const CallPtr call = worker.send(1);
    CHECK_EQ("kill", worker.end(1, EndReason::deadline));
    CHECK((worker.taken == std::vector<std::string>{"notice", "interrupt", "terminate", "kill"}));
    CHECK_THROWS(TimedOut, "deadline_passed", call->take());
}

TEST("what is over, or was never in work, needs no step") {
    FakeWorker worker;
    worker.send(1);
    worker.send(2);
    CHECK_EQ("", worker.end(2, EndReason::cancel));
    CHECK_EQ("", worker.end(7, EndReason::cancel));
    CHECK(worker.taken.empty());
}

TEST("a call that nobody waits for can be ended") {
    FakeWorker worker;
    worker.obeys_at = "interrupt";
    worker.exchange.abandon(worker.send(1));
    CHECK_EQ("interrupt", worker.end(1, EndReason::cancel, {0ms, 1min, 1min}));
}
