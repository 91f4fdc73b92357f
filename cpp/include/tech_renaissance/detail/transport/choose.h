// Which transport a session gets: shared memory where both sides can, else files. The default is named here and nowhere
// else.
#pragma once

#include <memory>
#include <string>
#include <system_error>

#include "tech_renaissance/detail/transport/file/host.h"
#include "tech_renaissance/detail/transport/transport.h"
#if defined(__linux__)
#include "tech_renaissance/detail/transport/shm/host.h"
#endif

namespace tr::detail {

// Empty, or the name of a transport; else throws LocalProtocolError "bad_option".
inline void check_transport_name(const std::string& name) {
    if (!name.empty() && name != "shm" && name != "file") {
        throw LocalProtocolError("bad_option", "a transport is 'shm' or 'file', not '" + name + "'");
    }
}

// name: what was asked for, empty for the best there is. Throws LaunchError launch_failed if shared memory was asked
// for and is not to be had.
inline std::unique_ptr<HostTransport> choose_transport(const std::string& name, const std::string& directory,
                                                       const std::string& poll_ms) {
    if (name != "file") {
        try {
#if defined(__linux__)
            return std::make_unique<ShmTransport>(directory, poll_ms);
#else
            throw std::system_error(std::make_error_code(std::errc::not_supported),
                                    "shared memory is not tested on this platform yet");
#endif
        } catch (const std::system_error& error) {
            if (name == "shm") throw_launch_failed(std::string("there is no shared memory: ") + error.what());
        }
    }
    return std::make_unique<FileTransport>(directory, poll_ms);
}

}  // namespace tr::detail
