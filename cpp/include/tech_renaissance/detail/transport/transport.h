// How frames and tensor bytes move between a host and its worker: one contract, one file per mechanism.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/system/event.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail {

struct Ready {};
struct Exiting {};

// A response with its tensors; response.tensors are their names.
struct Reply {
    Response response;
    std::vector<Tensor> tensors;
};

// The code of an error after which nothing can be received any more.
inline constexpr const char* broken_ring = "broken_ring";

// What cannot be read, and was consumed; after broken_ring it comes every time.
struct Unreadable {
    RemoteProtocolError error;
};

using Arrival = std::variant<Ready, Reply, Exiting, Unreadable>;

// What a worker must be given when it is launched: descriptors to inherit, and the variable that tells it their
// numbers, or that there are none, and why. Nothing where the variable is empty.
struct Offer {
    std::string variable;
    std::vector<int> descriptors;
    std::string refusal;
};

// What stands for a response that this host cannot take in, for want of memory or address space: as if the worker had
// had too little to send it.
inline Reply not_taken_in(std::optional<std::int64_t> id, Dialect dialect, const std::string& type,
                          const std::string& why = "") {
    Response response;
    response.id = id;
    response.dialect = dialect;
    response.result = "error";
    response.message = type + ": the host cannot take in the answer" + why;
    response.error = Failure{"command_failed", response.message, type, ""};
    return {std::move(response), {}};
}

// A transport knows nothing of states, calls or processes: it moves a frame when there is room for it, and waits.
//
// Thread-safety: one thread at a time may be in receive(); all else may be called beside it from any thread, but
// try_send by one thread at a time. Members throw std::system_error when the mechanism itself fails (disk full,
// directory gone).
class HostTransport {
public:
    HostTransport() = default;
    HostTransport(const HostTransport&) = delete;
    HostTransport& operator=(const HostTransport&) = delete;
    virtual ~HostTransport() = default;

    // Makes ready for a new worker: nothing that an earlier one said is received again. Tags stay.
    virtual Offer prepare() = 0;

    // The worker is launched, and has what it was offered. From now on waits end when this handle
    // (Process::exit_handle) says that its process is gone.
    virtual void watch_exit(WaitHandle handle) = 0;

    // Hands a request over, an exit without an id; false if there is no room for it now.
    virtual bool try_send(const Request& request) = 0;

    // Lets the worker know that nobody wants the answer to this request any more; the last one counts.
    virtual void cancel(std::int64_t id) = 0;

    // Whether the worker may have begun with this request, one that has no response yet.
    virtual bool may_have_begun(std::int64_t id) = 0;

    // What the worker said, waiting for it up to the timeout (zero: not at all). None when nothing came; it may return
    // early, after wake(), or when there may be room to send again.
    virtual std::optional<Arrival> receive(std::chrono::milliseconds timeout) = 0;

    // What this process has run out of, in the system's words, if nothing can be sent or received for that; empty: of
    // nothing. It is as if there were no room, or nothing had come: tried again while somebody waits.
    virtual std::string lack() const { return ""; }

    // Ends a wait in receive(), or the next one, from any thread.
    virtual void wake() noexcept = 0;

    // Puts a tensor under a tag, in place of one that was there. It stays until the session ends, worker or not.
    virtual void put_tensor(const std::string& tag, const Tensor& tensor) = 0;

    // A new tensor, uninitialised, that put_tensor need not copy where the transport can do that.
    virtual Tensor empty(const Shape& shape, DType dtype) = 0;

    // Forgets a tag; that there is none is no error.
    virtual void drop_tensor(const std::string& tag) = 0;

    // The tags that have a tensor; reserved ones may be among them that name something else.
    virtual std::vector<std::string> tags() = 0;
};

}  // namespace tr::detail
