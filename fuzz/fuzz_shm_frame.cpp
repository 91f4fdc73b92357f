// Any bytes in a ring are a frame, or refused with a RemoteProtocolError: nothing else, and no fault.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tech_renaissance/detail/transport/shm/call_frame.h"
#include "tech_renaissance/detail/transport/shm/frame.h"

namespace {

namespace shm = tr::detail::shm;

void require(bool condition) {
    if (!condition) std::abort();
}

template <class Decode>
void check(Decode decode) {
    try {
        decode();
    } catch (const tr::RemoteProtocolError&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    // A ring's reader gives out whole headers only.
    std::string frame(std::max<std::size_t>(nbytes, 16), '\0');
    std::copy(data, data + nbytes, frame.begin());
    shm::read_frame_header(frame);
    check([&] { shm::decode_body_in_block(frame); });
    check([&] {
        const auto [response, attachments] = shm::decode_response_frame(frame);
        require(attachments.size() * shm::attachment_nbytes <= frame.size());
        require(response.command.size() + response.result.size() + response.message.size() <= frame.size());
        require(!response.error || !response.error->code.empty());
    });
    check([&] {
        const auto [id, progress] = shm::decode_progress(frame);
        require(!id || *id > 0);
        require(progress.message.size() <= frame.size());
    });
    check([&] {
        const shm::AskFrame ask = shm::decode_ask(frame);
        require(!ask.name.empty() && ask.name.size() + ask.parameters.size() <= frame.size());
        require(ask.attachments.size() * shm::attachment_nbytes <= frame.size());
    });
    check([&] { shm::decode_input_credit(frame); });
    check([&] { shm::decode_ready(frame); });
    return 0;
}
