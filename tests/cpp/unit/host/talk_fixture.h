// An exchange whose worker's handlers say and ask something, and take inputs.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "exchange_fixture.h"
#include "tech_renaissance/detail/host/attend.h"
#include "tech_renaissance/exposed.h"
#include "tech_renaissance/keyword.h"

namespace exchange_fixture {

using tr::Body;
using tr::Progress;
using tr::detail::Answer;
using tr::detail::Ask;
using tr::detail::Attending;
using tr::detail::Call;
using tr::detail::CallPtr;
using tr::detail::Exposed;
using tr::detail::Feed;
using tr::detail::InputItem;
using tr::detail::Outcome;
using tr::detail::Told;
using namespace std::chrono_literals;

struct TalkFixture : ReadyFixture {
    using ReadyFixture::ReadyFixture;

    // A call that was sent, and whose progress is told.
    CallPtr heard(std::int64_t id, std::function<void(const Progress&)> on_progress) {
        CallPtr one = call(id);
        one->on_progress = std::move(on_progress);
        CHECK(exchange.send(one, 1min));
        return one;
    }
    void tell(std::int64_t id, double done) { transport.say(Told{id, Progress{done, 10.0, "epoch"}}); }
    void ask(std::int64_t id, const std::string& name, Body arguments = tr::encode_call(1, 2), bool waiting = true) {
        transport.say(Ask{id, name, std::move(arguments), waiting});
    }
    // As the thread that waits for the call.
    std::exception_ptr attend(const CallPtr& call) {
        CHECK(exchange.wait(call, 1min));
        return attend(call, Attending::waiting);
    }
    std::exception_ptr attend(const CallPtr& call, Attending how) {
        return tr::detail::attend(call, how, exposed, &exposed, [this](auto action) { action(*this); });
    }
    bool is_done(const CallPtr& call) { return exchange.is_done(call); }
    void send_answer(const CallPtr& call, const Outcome& outcome) {
        Answer answer{*call->request.id};
        answer.result = outcome.result.value.text;
        answer.failure = outcome.failure;
        exchange.send_answer(answer);
    }
    void withdraw(const CallPtr& call, const std::exception_ptr& error) { exchange.withdraw(call, error); }
    bool has_coroutines() const { return exchange.has_coroutines(); }
    InputItem place_item(const Call& call, const Body& value) { return {*call.request.id, value.form, value.text}; }
    bool begin_item(const CallPtr& call) { return exchange.begin_item(call); }
    bool send_item(const CallPtr& call, const InputItem& item) { return exchange.send_item(call, item); }

    Exposed exposed;
};

inline CallPtr with_input(TalkFixture& f, std::int64_t id) {
    CallPtr call = f.call(id);
    call->feed = std::make_unique<Feed>();
    call->stays_in_line = true;
    CHECK(f.exchange.send(call, 1min));
    return call;
}

inline bool push(TalkFixture& f, const CallPtr& call, const std::string& text) {
    InputItem item{*call->request.id};
    item.text = text;
    return f.exchange.send_item(call, item);
}

}  // namespace exchange_fixture
