// What a worker can do, as it has said itself in its Ready.
#pragma once

#include <string>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Whether a worker that has said this speaks the protocol of calls that carry values. Throws RemoteProtocolError
// old_protocol.
inline void check_protocol(const Request& request, const Ready& ready) {
    if (ready.protocol >= protocol_version) return;
    std::string text = "'" + request.command + "' needs protocol " + std::to_string(protocol_version) +
                       ", and this worker speaks protocol " + std::to_string(ready.protocol) +
                       ": update tech-renaissance in its Python";
    if (!ready.interpreter.empty()) text += ", which is '" + ready.interpreter + "'";
    throw RemoteProtocolError("old_protocol", text);
}

}  // namespace tr::detail
