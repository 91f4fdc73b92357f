// Which transport a session gets: shared memory if both sides support it, else files. Only this file knows the default.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "tech_renaissance/detail/transport/file/host.h"
#include "tech_renaissance/detail/transport/shm/segment.h"
#include "tech_renaissance/detail/transport/transport.h"
#if defined(TR_HAS_SHARED_MEMORY)
#include "tech_renaissance/detail/transport/fallback.h"
#endif

namespace tr::detail {

// Throws LocalProtocolError "bad_option" unless the name is empty or a transport's.
inline void check_transport_name(const std::string& name) {
    if (!name.empty() && name != "shm" && name != "file") {
        throw LocalProtocolError("bad_option", "a transport is 'shm' or 'file', not '" + name + "'");
    }
}

// How long to look before sleeping, from the option, else from the text of TR_LOOK_US; nullopt if neither says. Throws
// LocalProtocolError "bad_option".
inline std::optional<std::chrono::microseconds> choose_look(std::optional<std::chrono::microseconds> option,
                                                            const std::string& text) {
    constexpr std::chrono::microseconds longest{1000000};
    const bool is_number = text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
    std::optional<std::chrono::microseconds> look = option;
    if (!look && is_number && !text.empty()) look = std::chrono::microseconds(std::stol(text));
    if ((!option && !is_number) || (look && (look->count() < 0 || *look > longest))) {
        throw LocalProtocolError("bad_option", "look is a whole number of microseconds from 0 to 1000000, not " +
                                                   (option ? std::to_string(option->count()) : "'" + text + "'"));
    }
    return look;
}

// name: the transport that was asked for, empty for the best available. Throws LaunchError launch_failed if shared
// memory was asked for and is not available.
inline std::unique_ptr<HostTransport> choose_transport(const std::string& name, const std::string& directory,
                                                       const std::string& poll_ms,
                                                       std::optional<std::chrono::microseconds> look) {
    Offer offer;
    if (name != "file") {
        try {
#if defined(TR_HAS_SHARED_MEMORY)
            return std::make_unique<FallbackHost>(directory, poll_ms, look);
#else
            static_cast<void>(look);
            throw std::system_error(std::make_error_code(std::errc::not_supported),
                                    sizeof(void*) < sizeof(std::uint64_t)
                                        ? "shared memory is for 64-bit processes"
                                        : "shared memory is not tested on this platform yet");
#endif
        } catch (const std::system_error& error) {
            if (name == "shm") throw_launch_failed(std::string("there is no shared memory: ") + error.what());
            offer = {"TR_SHM", {}, std::string("none: ") + error.what()};
        }
    }
    return std::make_unique<FileHost>(directory, poll_ms, std::move(offer));
}

}  // namespace tr::detail
