// Makes calls of what programs ask for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/feed.h"
#include "tech_renaissance/detail/host/items.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail {

// Base of Caller. Thread-safe. REQUIRES: the life outlives it.
class CallMaker {
public:
    CallMaker(const CallMaker&) = delete;
    CallMaker& operator=(const CallMaker&) = delete;

    // Throws LocalProtocolError bad_message.
    CallPtr make_call(const std::string& message, const CallOptions& options) {
        life_.check_ours();
        return make_call(parse_message(message), options);
    }

    // A typed call. Copies what the body is a view of. Throws LocalProtocolError bad_message for the name of a command;
    // ArenaFull.
    CallPtr make_call(std::string_view command, Body arguments, const CallSetup& setup) {
        life_.check_ours();
        check_command(command);
        const CallPtr call = make_call({std::string(command), std::move(arguments.text), std::nullopt}, setup.options);
        call->on_progress = setup.on_progress;
        call->request.typed = true;
        call->request.form = arguments.form;
        call->request.streams = setup.streams;
        if (setup.streams) call->items = std::make_unique<Items>();
        call->request.input = setup.input;
        if (setup.input) call->feed = std::make_unique<Feed>();
        call->source = setup.source;
        if (setup.input) call->feed->hold();
        for (const Attachment& one : arguments.attachments) call->attachments.push_back(life_.transport().place(one));
        return call;
    }

    // Attaches tensors to a call; $0, $1 and so on in its text stand for them. Throws ArenaFull.
    void attach(Call& call, const std::vector<Tensor>& tensors) {
        std::string names;
        for (const Tensor& tensor : tensors) {
            names += (names.empty() ? "$" : " $") + std::to_string(call.attachments.size());
            call.attachments.push_back(life_.transport().place({Attachment::Kind::Tensor, tensor}));
        }
        std::string& parameters = call.request.parameters;
        parameters = names + (names.empty() || parameters.empty() ? "" : " ") + parameters;
    }

    // A value for the input of a call.
    InputItem place_item(const Call& call, const Body& value) const {
        InputItem item{*call.request.id, value.form, value.text, {}};
        for (const Attachment& one : value.attachments) item.attachments.push_back(life_.transport().place(one));
        return item;
    }

protected:
    explicit CallMaker(Life& life) : life_(life) {}
    ~CallMaker() = default;

    static void require_answer(const Call& call) {
        if (call.request.is_exit()) throw LocalProtocolError("bad_message", "'exit' has no answer: use please_exit");
    }

    Life& life_;

private:
    CallPtr make_call(Request request, const CallOptions& options) {
        auto call = std::make_shared<Call>();
        call->request = std::move(request);
        call->request.id = next_id_++;
        call->idempotent = options.idempotent;
        if (options.deadline) call->set_deadline(deadline_after(*options.deadline));
        return call;
    }

    std::atomic<std::int64_t> next_id_{1};
};

}  // namespace tr::detail
