// Any bytes are a request, a response, or refused with a RemoteProtocolError: nothing else, and no fault. What is
// accepted says the same after it was written and read again.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/protocol/call_text.h"
#include "tech_renaissance/detail/protocol/frame.h"

namespace {

using namespace tr::detail;

void require(bool condition) {
    if (!condition) std::abort();
}

void check_request(std::string_view text) {
    std::string encoded;
    try {
        encoded = encode_request(decode_request(text), 1);
    } catch (const tr::RemoteProtocolError&) {
        return;
    }
    require(encoded == encode_request(decode_request(encoded), 1));
}

void check_response(std::string_view text) {
    std::string encoded;
    try {
        encoded = encode_response(decode_response(text), 1);
    } catch (const tr::RemoteProtocolError&) {
        return;
    }
    require(encoded == encode_response(decode_response(encoded), 1));
}

// What is said of a request in work.
void check_beside(std::string_view text) {
    try {
        require(std::isfinite(decode_progress_text(text).second.done));
    } catch (const tr::RemoteProtocolError&) {
    }
    try {
        const AskText ask = decode_ask_text(text);
        require(!ask.name.empty());
        for (const NamedAttachment& one : ask.attachments) check_name(one.name, "a name");
    } catch (const tr::RemoteProtocolError&) {
    }
}

void check_message(std::string_view text) {
    try {
        decode_request(encode_request(parse_message(text), 1));
    } catch (const tr::LocalProtocolError&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    const std::string text(reinterpret_cast<const char*>(data), nbytes);
    check_request(text);
    check_response(text);
    check_beside(text);
    check_message(text);
    return 0;
}
