// Any bytes of worker.json are an object, or refused with a RemoteProtocolError: nothing else, and no fault. What an
// object says is text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"

namespace {

using namespace tr::detail;

void require(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    const std::string text(reinterpret_cast<const char*>(data), nbytes);
    try {
        const json::Value info = json::parse(text);
        const json::Object& object = as_object(info, "worker.json");
        for (const char* key : {"python", "tech_renaissance", "transport"}) {
            require(optional_string(object, key).size() <= 3 * nbytes);
        }
    } catch (const tr::RemoteProtocolError& error) {
        require(!std::string(error.what()).empty());
    }
    return 0;
}
