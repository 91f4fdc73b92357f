// Streams and cancelled calls in the exchange.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check.h"
#include "exchange_fixture.h"

using exchange_fixture::Fixture;
using exchange_fixture::ReadyFixture;
using tr::CallCancelled;
using tr::RemoteProtocolError;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::CallPtr;
using tr::detail::Item;
using tr::detail::Items;
using tr::detail::Ready;
using tr::detail::Reply;
using namespace std::chrono_literals;

namespace {

struct Stream {
    explicit Stream(Fixture& its_fixture, std::int64_t id = 1) : fixture(its_fixture), call(its_fixture.call(id)) {
        call->items = std::make_unique<Items>();
        CHECK(fixture.exchange.send(call, 1min));
    }

    void say(const std::string& text) const {
        fixture.transport.say(Item{call->request.id, {tr::Body::Form::Text, text, {}}});
    }
    // The next item; "end" if there are no more.
    std::string next() const {
        CHECK(fixture.exchange.wait(call, 1min));
        std::optional<tr::Body> item = call->items->take();
        if (call->items->owes()) fixture.exchange.send_credit(call);
        return item ? item->text : "end";
    }

    Fixture& fixture;
    CallPtr call;
};

Reply refusal(std::int64_t id) {
    Reply reply;
    reply.response.id = id;
    reply.response.error = tr::detail::Failure{"cancelled", "it was over", "", ""};
    return reply;
}

}  // namespace

TEST("items are taken in their order, then the answer") {
    ReadyFixture f;
    const Stream stream(f);
    for (const char* text : {"a", "b", "c"}) stream.say(text);
    f.transport.say_reply(1, "result");
    for (const char* text : {"a", "b", "c", "end"}) CHECK_EQ(text, stream.next());
    CHECK_EQ("result", f.result(stream.call));
}

TEST("credit is granted eight items at a time, and later if there is no room") {
    ReadyFixture f;
    const Stream stream(f);
    const auto take = [&](int count) {
        for (int i = 0; i < count; ++i) {
            stream.say("x");
            CHECK_EQ("x", stream.next());
        }
    };
    take(7);
    CHECK_EQ(0u, f.transport.credit.load());
    take(1);
    CHECK_EQ(8u, f.transport.credit.load());
    f.transport.set_room(0);
    take(8);
    CHECK_EQ(8u, f.transport.credit.load());
    take(2);
    f.transport.set_room(1);
    f.exchange.state();
    CHECK_EQ(18u, f.transport.credit.load());
}

TEST("an item without credit is an error, as is one for a call that takes none, or for nobody") {
    for (const int kind : {0, 1, 2}) {
        ReadyFixture f;
        const Stream stream(f);
        const CallPtr other = f.sent(2);
        for (int i = 0; kind == 0 && i < 17; ++i) stream.say("x");
        if (kind == 1) f.transport.say(Item{2, {}});
        if (kind == 2) f.transport.say(Item{3, {}});
        f.exchange.state();
        CHECK_THROWS(RemoteProtocolError, "bad_state", f.result(other));
        CHECK_THROWS(RemoteProtocolError, "bad_state", stream.call->take());
        CHECK_EQ(kind == 0, stream.call->has_item());
    }
}

TEST("an item that cannot be read ends its stream, after those before it, and nothing else") {
    ReadyFixture f;
    const Stream stream(f);
    const CallPtr other = f.sent(2);
    stream.say("a");
    f.transport.say(Item{1, {}, std::make_exception_ptr(RemoteProtocolError("bad_frame", "nonsense"))});
    f.transport.say_reply(2, "other");
    CHECK_EQ("other", f.result(other));
    CHECK_EQ("a", stream.next());
    CHECK_EQ("end", stream.next());
    CHECK_THROWS(RemoteProtocolError, "bad_frame", stream.call->take());
    CHECK_EQ(1, f.transport.given_up.load());
    stream.say("late");
    f.transport.say_reply(1, "late");
    CHECK(f.exchange.state() == tr::detail::State::ready);
}

TEST("a stream that is closed is given up, and what comes of it is dropped") {
    ReadyFixture f;
    const Stream stream(f);
    stream.say("a");
    CHECK_EQ("a", stream.next());
    f.exchange.close_stream(stream.call);
    CHECK_EQ(1, f.transport.given_up.load());
    stream.say("b");
    f.transport.say(refusal(1));
    CHECK(f.exchange.state() == tr::detail::State::ready);
    CHECK(!stream.call->has_item() && !stream.call->done());
}

TEST("a stream begins again with the next worker only if nothing of it was taken") {
    for (const bool taken : {false, true}) {
        ReadyFixture f;
        f.hands_over = true;
        const Stream stream(f);
        stream.call->idempotent = true;
        f.transport.first_begun = f.transport.last_begun = 1;
        stream.say("a");
        stream.say("b");
        f.exchange.state();
        if (taken) CHECK_EQ("a", stream.next());
        f.end();
        f.exchange.state();
        CHECK_EQ(taken, stream.call->done());
        CHECK_EQ(taken, stream.call->has_item());
        if (!taken) continue;
        CHECK_EQ("b", stream.next());
        CHECK_THROWS(WorkerLost, "worker_lost", stream.call->take());
    }
}

TEST("a call that is cancelled before it has begun is done at once, and the worker is told") {
    ReadyFixture f;
    const CallPtr begun = f.sent(1);
    const CallPtr cancelled = f.sent(2);
    const CallPtr last = f.sent(3);
    f.transport.first_begun = f.transport.last_begun = 1;
    CHECK(f.exchange.cancel(cancelled));
    CHECK_EQ(2, f.transport.given_up.load());
    try {
        cancelled->take();
        CHECK(false);
    } catch (const CallCancelled& error) {
        CHECK_EQ("queue", error.step());
    }
    f.transport.say_reply(1, "1");
    f.transport.say(refusal(2));
    f.transport.say_reply(3, "3");
    CHECK_EQ("1", f.result(begun));
    CHECK_EQ("3", f.result(last));
    CHECK(f.exchange.cancel(begun));
    CHECK_EQ(2, f.transport.given_up.load());
}

TEST("the answer to a call that is cancelled in work no longer counts") {
    ReadyFixture f;
    for (const std::int64_t id : {1, 2}) {
        const CallPtr call = f.sent(id);
        f.transport.first_begun = f.transport.last_begun = id;
        call->cancelled = true;
        CHECK(!f.exchange.cancel(call));
        CHECK(!call->done());
        id == 1 ? f.transport.say_reply(1, "too late") : f.transport.say(refusal(2));
        try {
            f.reply(call);
            CHECK(false);
        } catch (const CallCancelled& error) {
            CHECK_EQ(id == 1 ? "notice" : "queue", error.step());
        }
    }
}

TEST("a cancelled call is not handed over") {
    ReadyFixture f;
    f.hands_over = true;
    const CallPtr cancelled = f.sent(1);
    cancelled->cancelled = true;
    f.end();
    CHECK_THROWS(WorkerLost, "worker_lost", f.reply(cancelled));
}

TEST("a call that stays in line does not wait for room, and one that is cancelled there is never sent") {
    ReadyFixture f;
    f.transport.set_room(0);
    const auto in_line = [&](std::int64_t id) {
        const CallPtr call = f.call(id);
        call->stays_in_line = true;
        CHECK(f.exchange.send(call, 0ms));
        CHECK(call->exchange == nullptr);
        return call;
    };
    const CallPtr cancelled = in_line(1);
    const CallPtr other = in_line(2);
    cancelled->attachments.push_back({tr::Attachment::Kind::Bytes, nullptr});
    CHECK(f.queue.end(*cancelled, unbegun(*cancelled, tr::detail::EndReason::cancel)));
    CHECK(cancelled->attachments.empty());
    CHECK(!f.queue.end(*cancelled, nullptr));
    f.transport.set_room(2);
    f.transport.say_reply(2, "2");
    CHECK_EQ("2", f.result(other));
    CHECK(cancelled->exchange == nullptr);
}
