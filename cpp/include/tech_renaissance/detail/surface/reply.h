// What a reply means to its caller.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail {

// Throws CommandError if the command failed.
inline void check(const Response& response) {
    if (!response.error) return;
    const Failure& error = *response.error;
    std::string text = response.command + ": " + error.message;
    if (!error.traceback.empty()) text += "\n" + error.traceback;
    throw CommandError(error.code, text, {error.type, error.message, error.traceback}, response.result);
}

inline std::string text_of(Reply reply) {
    check(reply.response);
    return std::move(reply.response.result);
}

inline std::vector<Tensor> tensors_of(Reply reply) {
    check(reply.response);
    if (reply.attachments.empty()) {
        const std::string text =
            "'" + reply.response.command + "' answered '" + reply.response.result + "' and no tensor";
        throw CommandError("no_tensor", text, {}, reply.response.result);
    }
    std::vector<Tensor> tensors;
    for (Attachment& attachment : reply.attachments) tensors.push_back(std::move(attachment.data));
    return tensors;
}

// The body of the answer to a typed call.
inline Body body_of(Reply reply) {
    check(reply.response);
    return {reply.response.form, std::move(reply.response.result), std::move(reply.attachments)};
}

}  // namespace tr::detail
