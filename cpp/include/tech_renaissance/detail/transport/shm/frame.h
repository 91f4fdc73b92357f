// Frames as bytes in a ring. Layout: spec/transport-shm.md, Rings. No I/O.
//
// A decoder gets a private copy of a frame and trusts nothing in it: whatever does not add up is a RemoteProtocolError
// "bad_frame".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/body_kinds.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/error.h"

namespace tr::detail::shm {

enum class Kind : std::uint16_t {
    pad = 0,
    request = 1,
    exit = 2,
    put = 3,
    drop = 4,
    credit = 5,
    input_item = 6,
    answer = 7,
    ready = 17,
    response = 18,
    exiting = 19,
    item = 20,
    progress = 21,
    ask = 22,
    input_credit = 23
};

inline constexpr std::uint16_t flag_short = 1;
inline constexpr std::uint16_t flag_body_in_block = 2;
inline constexpr std::uint16_t flag_deadline = 4;
inline constexpr std::uint16_t flag_typed = 8;
inline constexpr int form_shift = 4;  // two bits
inline constexpr std::uint16_t flag_streams = 64;
inline constexpr std::uint16_t flag_input = 128;
// The body of a larger frame travels in a block, to leave room in the ring for others.
inline constexpr std::size_t largest_frame_nbytes = 65536;
// A Put with the longest name. A frame whose body is in a block is smaller.
inline constexpr std::size_t largest_tag_frame_nbytes = 40 + 128;

// A block that a frame refers to.
struct Lent {
    std::uint64_t offset;
    std::uint64_t lease;
};

// A block that holds an attachment.
struct LentAttachment {
    AttachmentKind kind;
    Lent lent;
};
inline constexpr std::size_t attachment_nbytes = 24;

// Writes a frame, and fills in its size at the end.
class FrameWriter {
public:
    FrameWriter(Kind kind, std::uint16_t flags, std::uint64_t id) {
        put(std::uint32_t{0});
        put(static_cast<std::uint16_t>(kind));
        put(flags);
        put(id);
    }

    template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
    FrameWriter& put(Number number) {
        char bytes[sizeof number];
        std::memcpy(bytes, &number, sizeof number);
        bytes_.append(bytes, sizeof number);
        return *this;
    }
    FrameWriter& put(std::string_view text) {
        bytes_ += text;
        return *this;
    }
    static std::uint32_t size_of(std::string_view text) {
        if (text.size() >> 32 != 0) throw LocalProtocolError("bad_message", "a text of 4 GiB or more");
        return static_cast<std::uint32_t>(text.size());
    }

    FrameWriter& align() {
        bytes_.resize((bytes_.size() + 7) / 8 * 8);
        return *this;
    }

    std::string finish() {
        align();
        const auto size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &size, sizeof size);
        return std::move(bytes_);
    }

private:
    std::string bytes_;
};

// Reads the parts of a frame from front to back.
class FrameReader {
public:
    explicit FrameReader(std::string_view frame) : frame_(frame) { position_ = 4; }

    template <class Number>
    Number number() {
        Number value{};
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    std::string text(std::size_t nbytes) {
        const std::string_view bytes = take(nbytes);
        if (utf8::find_invalid(bytes) != std::string_view::npos) throw_bad_frame("a text that is not UTF-8");
        return std::string(bytes);
    }
    bool has_more() const noexcept { return position_ < frame_.size(); }
    void align() { position_ = (position_ + 7) / 8 * 8; }
    LentAttachment attachment() {
        const auto kind = number<std::uint8_t>();
        const auto memory = number<std::uint8_t>();
        if (kind >= attachment_kind_count) throw_bad_frame("a kind of attachment that does not exist");
        if (memory != 0) throw_bad_frame("an attachment in memory that does not exist");
        take(6);
        const auto offset = number<std::uint64_t>();
        return {static_cast<AttachmentKind>(kind), {offset, number<std::uint64_t>()}};
    }

private:
    std::string_view take(std::size_t nbytes) {
        if (position_ > frame_.size() || nbytes > frame_.size() - position_)
            throw_bad_frame("a frame whose parts do not fit");
        position_ += nbytes;
        return frame_.substr(position_ - nbytes, nbytes);
    }

    std::string_view frame_;
    std::size_t position_;
};

struct FrameHeader {
    Kind kind;
    std::uint16_t flags;
    std::uint64_t id;
};

// REQUIRES: the frame has a whole header.
inline FrameHeader read_frame_header(std::string_view frame) {
    FrameReader reader(frame);
    const auto kind = static_cast<Kind>(reader.number<std::uint16_t>());
    const auto flags = reader.number<std::uint16_t>();
    return {kind, flags, reader.number<std::uint64_t>()};
}

inline std::string encode_exit() { return FrameWriter(Kind::exit, 0, 0).finish(); }

// The size of the frame of a request with so many attachments.
inline std::size_t request_frame_nbytes(const Request& request, std::size_t attachments) {
    const std::size_t texts = (24 + request.command.size() + request.parameters.size() + 7) / 8 * 8;
    return texts + attachments * attachment_nbytes + (request.deadline_ns ? 8 : 0);
}

// REQUIRES: the request has an id.
inline std::string encode_request_frame(const Request& request, const std::vector<LentAttachment>& attachments) {
    int flags = static_cast<int>(request.form) << form_shift;
    if (request.dialect == Dialect::Short) flags |= flag_short;
    if (request.deadline_ns) flags |= flag_deadline;
    if (request.typed) flags |= flag_typed;
    if (request.streams) flags |= flag_streams;
    if (request.input) flags |= flag_input;
    FrameWriter writer(Kind::request, static_cast<std::uint16_t>(flags), static_cast<std::uint64_t>(*request.id));
    writer.put(FrameWriter::size_of(request.command)).put(FrameWriter::size_of(request.parameters));
    writer.put(request.command).put(request.parameters).align();
    for (const LentAttachment& one : attachments) {
        writer.put(static_cast<std::uint64_t>(one.kind));  // its byte is the first; the others are 0
        writer.put(one.lent.offset).put(one.lent.lease);
    }
    if (request.deadline_ns) writer.put(static_cast<std::uint64_t>(*request.deadline_ns));
    return writer.finish();
}

inline std::string encode_credit(std::int64_t id, std::uint32_t count) {
    return FrameWriter(Kind::credit, 0, static_cast<std::uint64_t>(id)).put(count).put(std::uint32_t{0}).finish();
}

inline std::string encode_put(const std::string& tag, Lent lent) {
    FrameWriter writer(Kind::put, 0, 0);
    writer.put(lent.offset).put(lent.lease).put(FrameWriter::size_of(tag)).put(std::uint32_t{0});
    return writer.put(tag).finish();
}

inline std::string encode_drop(const std::string& tag) {
    FrameWriter writer(Kind::drop, 0, 0);
    return writer.put(FrameWriter::size_of(tag)).put(std::uint32_t{0}).put(tag).finish();
}

// The frame to send in place of a large one whose body, of `nbytes` bytes, is in a block.
inline std::string encode_body_in_block(const FrameHeader& header, Lent lent, std::uint64_t nbytes) {
    FrameWriter writer(header.kind, header.flags | flag_body_in_block, header.id);
    return writer.put(lent.offset).put(lent.lease).put(nbytes).finish();
}

inline std::pair<Lent, std::uint64_t> decode_body_in_block(std::string_view frame) {
    FrameReader reader(frame.substr(12));  // the header has 16 bytes, and the reader itself skips 4
    const auto offset = reader.number<std::uint64_t>();
    const auto lease = reader.number<std::uint64_t>();
    return {{offset, lease}, reader.number<std::uint64_t>()};
}

// What the worker says about itself.
inline json::Object decode_ready(std::string_view frame) {
    FrameReader reader(frame.substr(12));  // the header has 16 bytes, and the reader itself skips 4
    const auto size = reader.number<std::uint32_t>();
    reader.number<std::uint32_t>();
    const json::Value info = json::parse(reader.text(size));
    return as_object(info, "a Ready");
}

inline Failure decode_failure_text(const std::string& text) {
    const json::Value value = json::parse(text);
    return read_failure(as_object(value, "an error"));
}

// A response, or an item, which has only some of its parts; still without its attachments, and the blocks that have
// them.
inline std::pair<Response, std::vector<LentAttachment>> decode_response_frame(std::string_view frame) {
    FrameReader reader(frame);
    reader.number<std::uint16_t>();
    const auto flags = reader.number<std::uint16_t>();
    Response response;
    const auto id = reader.number<std::uint64_t>();
    if (id >> 63 != 0) throw_bad_frame("an id of more than 63 bits");
    if (id != 0) response.id = static_cast<std::int64_t>(id);
    response.dialect = (flags & flag_short) != 0 ? Dialect::Short : Dialect::Long;
    const int form = flags >> form_shift & 3;
    if (form >= body_form_count) throw_bad_frame("a form that does not exist");
    response.form = static_cast<BodyForm>(form);
    const auto command_size = reader.number<std::uint32_t>();
    const auto result_size = reader.number<std::uint32_t>();
    const auto message_size = reader.number<std::uint32_t>();
    const auto error_size = reader.number<std::uint32_t>();
    const auto count = reader.number<std::uint32_t>();
    reader.number<std::uint32_t>();
    response.command = reader.text(command_size);
    response.result = reader.text(result_size);
    response.message = reader.text(message_size);
    if (error_size != 0) response.error = decode_failure_text(reader.text(error_size));
    reader.align();
    std::vector<LentAttachment> attachments;
    for (std::uint32_t i = 0; i < count; ++i) attachments.push_back(reader.attachment());
    return {std::move(response), std::move(attachments)};
}

}  // namespace tr::detail::shm
