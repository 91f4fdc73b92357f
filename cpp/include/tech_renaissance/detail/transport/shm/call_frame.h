// Frames about a request that is being handled: how far it is, what it asks, and what it is given. As frame.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/protocol/call_text.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/detail/transport/shm/frame.h"
#include "tech_renaissance/progress.h"

namespace tr::detail::shm {

inline constexpr std::uint16_t flag_last = 128;
inline constexpr std::uint16_t flag_waiting = 256;

// A reader that stands behind the header, whose id and form are checked.
struct CallFrame {
    explicit CallFrame(std::string_view frame) : reader(frame) {
        reader.number<std::uint16_t>();
        flags = reader.number<std::uint16_t>();
        const auto number = reader.number<std::uint64_t>();
        if (number >> 63 != 0) throw_bad_frame("an id of more than 63 bits");
        if (number != 0) id = static_cast<std::int64_t>(number);
        const int choice = flags >> form_shift & 3;
        if (choice >= body_form_count) throw_bad_frame("a form that does not exist");
        form = static_cast<BodyForm>(choice);
    }

    FrameReader reader;
    std::uint16_t flags = 0;
    std::optional<std::int64_t> id;
    BodyForm form = BodyForm::Text;
};

inline std::pair<std::optional<std::int64_t>, Progress> decode_progress(std::string_view frame) {
    CallFrame call(frame);
    Progress progress;
    progress.done = call.reader.number<double>();
    const auto total = call.reader.number<double>();
    if (!std::isnan(total)) progress.total = total;
    const auto size = call.reader.number<std::uint32_t>();
    call.reader.number<std::uint32_t>();
    progress.message = call.reader.text(size);
    return {call.id, std::move(progress)};
}

using AskFrame = WrittenAsk<LentAttachment>;

inline AskFrame decode_ask(std::string_view frame) {
    CallFrame call(frame);
    const auto name_size = call.reader.number<std::uint32_t>();
    const auto parameters_size = call.reader.number<std::uint32_t>();
    if (name_size == 0) throw_bad_frame("an Ask without a name");
    AskFrame ask{call.id, call.reader.text(name_size), call.form, "", {}, (call.flags & flag_waiting) != 0};
    ask.parameters = call.reader.text(parameters_size);
    call.reader.align();
    while (call.reader.has_more()) ask.attachments.push_back(call.reader.attachment());
    return ask;
}

inline std::pair<std::optional<std::int64_t>, std::uint32_t> decode_input_credit(std::string_view frame) {
    CallFrame call(frame);
    const auto count = call.reader.number<std::uint32_t>();
    call.reader.number<std::uint32_t>();
    return {call.id, count};
}

// The size of the frame of an answer, or an item, with so many attachments.
inline std::size_t outcome_nbytes(const std::string& result, const std::string& message, const std::string& error,
                                  std::size_t attachments) {
    return (40 + result.size() + message.size() + error.size() + 7) / 8 * 8 + attachments * attachment_nbytes;
}

inline std::string encode_outcome(Kind kind, int flags, std::int64_t id, const std::string& result,
                                  const std::string& message, const std::string& error,
                                  const std::vector<LentAttachment>& attachments) {
    FrameWriter writer(kind, static_cast<std::uint16_t>(flags), static_cast<std::uint64_t>(id));
    writer.put(std::uint32_t{0}).put(FrameWriter::size_of(result)).put(FrameWriter::size_of(message));
    writer.put(FrameWriter::size_of(error)).put(static_cast<std::uint32_t>(attachments.size())).put(std::uint32_t{0});
    writer.put(result).put(message).put(error).align();
    for (const LentAttachment& one : attachments) {
        writer.put(static_cast<std::uint64_t>(one.kind));
        writer.put(one.lent.offset).put(one.lent.lease);
    }
    return writer.finish();
}

// message: says what `failure` says, for people.
inline std::string encode_answer(std::int64_t id, BodyForm form, const std::string& result, const std::string& message,
                                 const std::optional<Failure>& failure,
                                 const std::vector<LentAttachment>& attachments) {
    const std::string error = failure ? json::write(encode_failure(*failure)) : "";
    return encode_outcome(Kind::answer, static_cast<int>(form) << form_shift, id, result, message, error, attachments);
}

inline std::string encode_input_item(std::int64_t id, BodyForm form, const std::string& text, bool is_last,
                                     const std::vector<LentAttachment>& attachments) {
    if (is_last) return FrameWriter(Kind::input_item, flag_last, static_cast<std::uint64_t>(id)).finish();
    return encode_outcome(Kind::input_item, static_cast<int>(form) << form_shift, id, text, "", "", attachments);
}

}  // namespace tr::detail::shm
