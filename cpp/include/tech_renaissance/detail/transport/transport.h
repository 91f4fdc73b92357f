// How frames and tensor bytes move between a host and its worker: one contract, one folder per mechanism.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/detail/system/handle.h"
#include "tech_renaissance/progress.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail {

// How many requests may be unanswered at once, if the worker does not say less.
inline constexpr std::size_t widest_window = 256;

// The protocol that this host speaks.
inline constexpr std::int64_t protocol_version = 2;

struct Ready {
    std::size_t window = widest_window;
    std::int64_t protocol = protocol_version;
    bool coroutines = false;       // whether it serves many calls at once
    std::string interpreter = {};  // its Python; empty if it does not say
};
struct Exiting {};

inline std::optional<std::int64_t> find_integer(const json::Object& info, const char* key) {
    const json::Value* value = info.find(key);
    const auto* number = value ? value->get_if<json::Number>() : nullptr;
    return number ? number->as_int64() : std::nullopt;
}

// info: what a worker says about itself, in worker.json.
inline Ready ready_of(const json::Object& info) {
    Ready ready;
    const std::int64_t window = find_integer(info, "window").value_or(0);
    if (window >= 1 && window <= static_cast<std::int64_t>(widest_window))
        ready.window = static_cast<std::size_t>(window);
    ready.protocol = find_integer(info, "protocol").value_or(1);
    ready.coroutines = decode_flag(info, "coroutines");
    const json::Value* interpreter = info.find("interpreter");
    if (interpreter && interpreter->get_if<std::string>()) ready.interpreter = *interpreter->get_if<std::string>();
    return ready;
}

// Where a transport keeps the memory of an attachment, until the last pointer to it is gone.
class Placement {
public:
    Placement() = default;
    Placement(const Placement&) = delete;
    Placement& operator=(const Placement&) = delete;
    virtual ~Placement() = default;

    // Its tensor as the bytes of a TSR file, valid as long as this object.
    virtual std::string_view tsr() const = 0;
};

// An attachment of a request. What happens to the tensor that it was made of does not affect it.
struct PlacedAttachment {
    Attachment::Kind kind;
    std::shared_ptr<Placement> memory;
};

// An attachment that came from the other side. Throws RemoteProtocolError bad_frame if its tensor does not fit its
// kind.
inline Attachment checked_attachment(Attachment::Kind kind, Tensor data) {
    using Kind = Attachment::Kind;
    const DType wanted = kind == Kind::Bytes ? DType::UINT8 : kind == Kind::Int64List ? DType::INT64 : DType::FP64;
    if (kind != Kind::Tensor && (data.dtype() != wanted || data.shape().ndim() != 1))
        throw_bad_frame("an attachment whose tensor does not fit its kind");
    return {kind, std::move(data)};
}

// A response with its attachments. The response has their names, if they have any.
struct Reply {
    Response response;
    std::vector<Attachment> attachments = {};
};

// The code of an error after which nothing more can be received.
inline constexpr const char* broken_ring = "broken_ring";

// Something that could not be read and has been consumed. After broken_ring it comes every time. id: which request it
// seems to answer, if it says so.
struct Unreadable {
    RemoteProtocolError error;
    std::optional<std::int64_t> id = std::nullopt;
};

// A value that the command of a request that streams has yielded. error: why it could not be read; null if it could.
struct Item {
    std::optional<std::int64_t> id;
    Body body;
    std::exception_ptr error = nullptr;
};

// How far the handler of a request says it is.
struct Told {
    std::optional<std::int64_t> id;
    Progress progress;
};

// A handler calls a function of its host. waiting: whether the worker serves nobody else until it has the answer.
// error: why the Ask could not be read; null if it could.
struct Ask {
    std::optional<std::int64_t> id;
    std::string name;
    Body arguments;
    bool waiting = false;
    std::exception_ptr error = nullptr;
};

// The worker takes so many more values of the input of a request.
struct Granted {
    std::optional<std::int64_t> id;
    std::uint32_t count;
};

using Arrival = std::variant<Ready, Reply, Item, Told, Ask, Granted, Exiting, Unreadable>;

// The answer to an Ask: a value, unless there is a failure.
struct Answer {
    std::int64_t id;
    BodyForm form = BodyForm::Text;
    std::string result = {};
    std::vector<PlacedAttachment> attachments = {};
    std::optional<Failure> failure = std::nullopt;
};

// A value of the input of a request. The last item carries none.
struct InputItem {
    std::int64_t id;
    BodyForm form = BodyForm::Text;
    std::string text = {};
    std::vector<PlacedAttachment> attachments = {};
    bool is_last = false;
};

// A request that the worker may have begun, and when, if that is known.
struct Begun {
    std::int64_t id;
    std::optional<Clock::time_point> since = std::nullopt;
    // Whether nothing of it runs before the worker has looked whether it is given up: it is a stream that waits for its
    // turn, or another request has the worker.
    bool is_suspended = false;
};

// What a worker must get when it is launched: descriptors to inherit (handles on Windows), and a variable that lists
// their numbers, or says why there are none. Nothing if the variable's name is empty.
struct Offer {
    std::string variable;
    std::vector<SharedHandle> descriptors;
    std::string refusal;
};

// The stand-in for a response that this host cannot take in because it lacks memory or address space. It reads as if
// the worker had had too little to send it.
inline Reply not_taken_in(std::optional<std::int64_t> id, Dialect dialect, const std::string& type,
                          const std::string& why = "") {
    Response response;
    response.id = id;
    response.dialect = dialect;
    response.result = "error";
    response.message = type + ": the host cannot take in the answer" + why;
    response.error = Failure{"command_failed", response.message, type, ""};
    return {std::move(response)};
}

// A transport knows nothing about states, calls or processes: it moves a frame if there is room for it, and waits.
//
// Thread-safety: one thread at a time may be in receive(). Meanwhile any thread may call everything else, but only one
// thread at a time may be in one that begins with try_send. Members throw std::system_error if the mechanism itself
// fails (disk full, directory removed).
class HostTransport {
public:
    HostTransport() = default;
    HostTransport(const HostTransport&) = delete;
    HostTransport& operator=(const HostTransport&) = delete;
    virtual ~HostTransport() = default;

    // Prepares for a new worker: what an earlier one sent is no longer received. Tags stay.
    virtual Offer prepare() = 0;

    // Call it when the worker has been launched with what was offered. From now on, waits end when this handle
    // (Process::exit_handle) says that its process has ended.
    virtual void watch_exit(WaitHandle handle) = 0;

    // Makes an attachment ready to be sent, any number of times, to whatever workers there are. Throws ArenaFull.
    virtual PlacedAttachment place(const Attachment& attachment) = 0;

    // Hands over a request, or an exit, which has no id; false if there is no room for it at the moment.
    // REQUIRES: this transport has placed the attachments.
    virtual bool try_send(const Request& request, const std::vector<PlacedAttachment>& attachments) = 0;

    // Whether it carries items and credit.
    virtual bool can_stream() const = 0;

    // Tells the worker that it may send so many items more; false if there is no room for that at the moment.
    virtual bool try_send_credit(std::int64_t id, std::uint32_t count) = 0;

    // Like try_send. REQUIRES: it can stream.
    virtual bool try_send_item(const InputItem& item) = 0;

    // Like try_send.
    virtual bool try_send_answer(const Answer& answer) = 0;

    // Tells the worker that this request, which was sent, has been given up. What cannot be told now, as when the disk
    // is full, is told later.
    virtual void ask_to_cancel(std::int64_t id) = 0;

    // Asks the handler of this request, which was sent, to finish early; if need be, later, as above.
    virtual void ask_to_stop(std::int64_t id) = 0;

    // Which of these unanswered requests, oldest first, the worker may have begun. Among them is also a request whose
    // response has come, until forget_taken() says that it has been dealt with.
    virtual std::vector<Begun> begun(const std::vector<std::int64_t>& ids) = 0;

    // The requests whose responses have come and have not been dealt with, as far as that is known.
    virtual std::set<std::int64_t> answered() = 0;

    // Waits up to the timeout for what the worker sends (zero: does not wait). nullopt if nothing came, which may be
    // early, after wake() or when there may be room to send again.
    virtual std::optional<Arrival> receive(std::chrono::milliseconds timeout) = 0;

    // What receive() has returned has been dealt with. Call it before the next one.
    virtual void forget_taken() noexcept {}

    // If this process has run out of something and therefore cannot send or receive: what, in the system's words; else
    // empty. Until it can, it looks as if there were no room, or nothing had come; it is retried as long as someone
    // waits.
    virtual std::string lack() const { return ""; }

    // Ends the current wait in receive(), or the next one. Callable from any thread.
    virtual void wake() noexcept = 0;

    // ---- For a host that sleeps elsewhere than in receive().

    // What becomes ready when there is something to receive. REQUIRES: watch_exit() was called.
    virtual std::vector<WaitHandle> members() const = 0;

    // From now on this host sleeps, for no longer than longest_sleep(), and the worker makes a member ready; false if
    // there is something to receive already. Nobody may be in receive().
    virtual bool begin_sleep() noexcept = 0;

    // It is awake, and the members are no longer ready for what has come so far.
    virtual void end_sleep() noexcept = 0;

    virtual std::chrono::milliseconds longest_sleep() noexcept = 0;

    // ---- Tensors.

    // Puts a tensor under a tag, replacing any that was there. It stays until the session ends, with or without a
    // worker.
    virtual void put_tensor(const std::string& tag, const Tensor& tensor) = 0;

    // A new, uninitialised tensor that put_tensor need not copy, if the transport supports that.
    virtual Tensor empty(const Shape& shape, DType dtype) = 0;

    // Forgets a tag, if it exists.
    virtual void drop_tensor(const std::string& tag) = 0;

    // The tags that have a tensor. Reserved names among them may stand for something else.
    virtual std::vector<std::string> tags() = 0;
};

}  // namespace tr::detail
