// The shared-memory transport, host's end. Contract: spec/transport-shm.md.
//
// Each worker gets a new control segment, worker arena and doorbell. The host arena stays, and with it the tensors
// under tags.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/transport/shm/call_frame.h"
#include "tech_renaissance/detail/transport/shm/control.h"
#include "tech_renaissance/detail/transport/shm/frame.h"
#include "tech_renaissance/detail/transport/shm/lender.h"
#include "tech_renaissance/detail/transport/shm/lessee.h"
#include "tech_renaissance/detail/transport/transport.h"

namespace tr::detail {

class ShmHost final : public HostTransport {
public:
    // Throws std::system_error if shared memory is not available.
    explicit ShmHost(std::optional<std::chrono::microseconds> look = std::nullopt)
        : look_(look), lender_(shm::Segment::arena()) {}

    Offer prepare() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        exit_handle_ = no_handle;
        lender_.arena().forget_leases();
        unannounced_.clear();
        for (const auto& [tag, block] : tags_) {
            block->restore_header();
            unannounced_.insert(tag);
        }
        worker_ = make_worker_side();
        is_in_use_ = true;
        const auto [hears, rings] = worker_->control.doorbell().theirs();
        return {"TR_SHM",
                {worker_->control.descriptor(), lender_.arena().segment().descriptor(), worker_->arena.descriptor(),
                 hears, rings},
                ""};
    }

    void watch_exit(WaitHandle handle) override { exit_handle_ = handle; }

    PlacedAttachment place(const Attachment& attachment) override {
        lender_.arena().tidy();
        return {attachment.kind, lender_.place(attachment.data)};
    }

    bool try_send(const Request& request, const std::vector<PlacedAttachment>& attachments) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        const bool sent = request.is_exit() ? writer().try_write(shm::encode_exit())
                                            : announce() && send_request(request, attachments);
        if (sent && !request.is_exit()) ++worker_->requests;
        worker_->control.wake_worker();  // even if there was only room for tags
        return sent;
    }

    bool can_stream() const override { return true; }

    bool try_send_credit(std::int64_t id, std::uint32_t count) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        const bool sent = writer().try_write(shm::encode_credit(id, count));
        worker_->control.wake_worker();
        return sent;
    }

    bool try_send_item(const InputItem& item) override {
        const std::size_t nbytes = shm::outcome_nbytes(item.text, "", "", item.attachments.size());
        const std::lock_guard<std::mutex> lock(mutex_);
        return send(nbytes, item.attachments, [&](const std::vector<shm::LentAttachment>& lent) {
            return shm::encode_input_item(item.id, item.form, item.text, item.is_last, lent);
        });
    }

    bool try_send_answer(const Answer& answer) override {
        const std::string error = answer.failure ? json::write(encode_failure(*answer.failure)) : "";
        const std::string message = answer.failure ? answer.failure->message : "";
        const std::size_t nbytes = shm::outcome_nbytes(answer.result, message, error, answer.attachments.size());
        const std::lock_guard<std::mutex> lock(mutex_);
        return send(nbytes, answer.attachments, [&](const std::vector<shm::LentAttachment>& lent) {
            return shm::encode_answer(answer.id, answer.form, answer.result, message, answer.failure, lent);
        });
    }

    void ask_to_cancel(std::int64_t id) override { list(static_cast<std::uint64_t>(id)); }
    void ask_to_stop(std::int64_t id) override { list(static_cast<std::uint64_t>(id) | shm::stop_bit); }

    std::vector<Begun> begun(const std::vector<std::int64_t>& ids) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!worker_) return {};
        // The slots come first, because the worker empties one after its response is in the ring.
        std::vector<std::optional<Begun>> found;
        for (const std::int64_t id : ids) found.push_back(in_slot(id));
        const std::optional<std::set<std::int64_t>> answered = worker_->answered();
        std::vector<Begun> begun;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (found[i]) {
                begun.push_back(*found[i]);
            } else if (!answered || answered->count(ids[i]) != 0) {
                begun.push_back({ids[i]});
            }
        }
        return begun;
    }

    std::set<std::int64_t> answered() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return worker_ ? worker_->answered().value_or(std::set<std::int64_t>()) : std::set<std::int64_t>();
    }

    std::optional<Arrival> receive(std::chrono::milliseconds timeout) override {
        std::optional<Arrival> arrival = read();
        if (!arrival && timeout.count() > 0 && worker_->control.look()) arrival = read();
        return arrival ? std::move(arrival) : wait(timeout);
    }

    void forget_taken() noexcept override {
        shm::RingReader& reader = worker_->control.reader();
        reader.release();
        if (reader.is_crowded()) worker_->control.wake_worker();
    }

    void wake() noexcept override {
        if (worker_) worker_->control.doorbell().wake();
    }

    std::vector<WaitHandle> members() const override { return {worker_->control.doorbell().handle(), exit_handle_}; }
    bool begin_sleep() noexcept override { return worker_->control.begin_sleep(); }
    void end_sleep() noexcept override { worker_->control.end_sleep(); }
    std::chrono::milliseconds longest_sleep() noexcept override { return shm::longest_sleep; }

    void put_tensor(const std::string& tag, const Tensor& tensor) override {
        if (rewrite(tag, tensor)) return;
        shm::BlockPtr block = lender_.place(tensor);
        const std::lock_guard<std::mutex> lock(mutex_);
        shm::BlockPtr& old = tags_[tag];
        if (block != old) announce_later(tag);
        old = std::move(block);
        lender_.arena().tidy();
    }

    void drop_tensor(const std::string& tag) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (tags_.erase(tag) != 0) announce_later(tag);
        lender_.arena().tidy();
    }

    std::vector<std::string> tags() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        std::vector<std::string> names;
        for (const auto& [tag, block] : tags_) names.push_back(tag);
        return names;
    }

    Tensor empty(const Shape& shape, DType dtype) override { return lender_.empty(shape, dtype); }

    // Hands the worker over to another transport: put() gets all tags, with their tensors as the bytes of TSR files. No
    // tag can change between the last of them and done().
    template <class Put, class Done>
    void hand_over(const Put& put, const Done& done) {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (const auto& [tag, block] : tags_) put(tag, block->tsr());
        is_in_use_ = false;
        unannounced_.clear();
        done();
    }

private:
    // Everything that belongs to one worker.
    struct WorkerSide {
        explicit WorkerSide(std::optional<std::chrono::microseconds> look) : control(look) {}

        // The requests whose responses have come and have not been dealt with; nullopt if that cannot be known.
        std::optional<std::set<std::int64_t>> answered() {
            for (int tries = 0; tries < 10; ++tries) {
                std::set<std::int64_t> ids;
                const bool is_true = control.reader().look_through([&ids](std::uint16_t kind, std::uint64_t id) {
                    if (shm::Kind{kind} == shm::Kind::response) ids.insert(static_cast<std::int64_t>(id));
                });
                if (is_true) return ids;
            }
            return std::nullopt;
        }

        shm::ControlSide control;
        shm::Segment arena = shm::Segment::arena();
        shm::Lessee lessee{arena};
        std::string frame;
        std::uint64_t requests = 0;  // how many it was sent
    };

    std::unique_ptr<WorkerSide> make_worker_side() const {
        try {
            return std::make_unique<WorkerSide>(look_);
        } catch (const std::system_error& error) {
            throw_launch_failed(std::string("no shared memory for a worker: ") + error.what());
        }
    }

    shm::RingWriter& writer() { return worker_->control.writer(); }

    // Copies a tensor over the tag's last one, if only tags use that and no request is in work.
    bool rewrite(const std::string& tag, const Tensor& tensor) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!worker_ || worker_->control.served() != worker_->requests) return false;
        const auto found = tags_.find(tag);
        if (found == tags_.end() || !lender_.arena().is_idle(found->second)) return false;
        if (!lender_.rewrite(found->second, tensor)) return false;
        announce_later(tag);
        lender_.arena().tidy();
        return true;
    }

    void announce_later(const std::string& tag) {
        if (is_in_use_) unannounced_.insert(tag);
    }

    // What the worker says may be anything, but not later than now.
    static Clock::time_point monotonic_time(std::uint64_t nanoseconds) {
        const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch());
        const auto since = std::min(nanoseconds, static_cast<std::uint64_t>(now.count()));
        return Clock::time_point(std::chrono::nanoseconds(since));
    }

    // Tells the worker about all changed tags; false if there is not enough room.
    bool announce() {
        while (!unannounced_.empty()) {
            if (!writer().has_room(shm::largest_tag_frame_nbytes)) return false;
            const std::string& tag = *unannounced_.begin();
            const auto found = tags_.find(tag);
            writer().try_write(found == tags_.end() ? shm::encode_drop(tag)
                                                    : shm::encode_put(tag, lender_.arena().lend(*found->second)));
            unannounced_.erase(unannounced_.begin());
        }
        return true;
    }

    // Puts an entry into the list of requests that were given up.
    void list(std::uint64_t entry) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!worker_) return;
        worker_->control.list(entry);
        worker_->control.wake_worker();  // it may be a suspended stream
    }

    bool send_request(const Request& request, const std::vector<PlacedAttachment>& attachments) {
        const std::size_t nbytes = shm::request_frame_nbytes(request, attachments.size());
        return write(nbytes, attachments, [&](const std::vector<shm::LentAttachment>& lent) {
            return shm::encode_request_frame(request, lent);
        });
    }

    template <class Encode>
    bool send(std::size_t nbytes, const std::vector<PlacedAttachment>& attachments, Encode encode) {
        const bool sent = write(nbytes, attachments, encode);
        worker_->control.wake_worker();
        return sent;
    }

    // Writes the frame of this size that `encode` makes. Lends blocks only once it is certain that it can be written,
    // because the worker returns only what it gets.
    template <class Encode>
    bool write(std::size_t nbytes, const std::vector<PlacedAttachment>& attachments, Encode encode) {
        if (nbytes > shm::largest_frame_nbytes) return write_in_block(nbytes, attachments, encode);
        if (!attachments.empty() && !writer().has_room(nbytes)) return false;
        return writer().try_write(encode(lend(attachments)));
    }

    template <class Encode>
    bool write_in_block(std::size_t nbytes, const std::vector<PlacedAttachment>& attachments, Encode encode) {
        if (!writer().has_room(shm::largest_tag_frame_nbytes)) return false;
        const shm::BlockPtr block = lender_.arena().allocate(nbytes - shm::frame_header_nbytes);
        const std::string frame = encode(lend(attachments));
        const std::string_view body = std::string_view(frame).substr(shm::frame_header_nbytes);
        copy_for_others(block->contents(), body.data(), body.size());
        const shm::Lent lent = lender_.arena().lend(*block);
        return writer().try_write(shm::encode_body_in_block(shm::read_frame_header(frame), lent, body.size()));
    }

    std::vector<shm::LentAttachment> lend(const std::vector<PlacedAttachment>& attachments) {
        std::vector<shm::LentAttachment> lent;
        lent.reserve(attachments.size());
        for (const PlacedAttachment& one : attachments) {
            auto& block = static_cast<shm::Block&>(*one.memory);
            block.restore_header();  // an earlier worker may have changed it
            lent.push_back({one.kind, lender_.arena().lend(block)});
        }
        return lent;
    }

    std::optional<Arrival> wait(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        while (true) {
            const std::chrono::milliseconds left = left_until(deadline);
            if (left.count() == 0) return std::nullopt;
            const bool happened = worker_->control.sleep(left, exit_handle_);
            std::optional<Arrival> arrival = read();
            if (arrival || happened) return arrival;
            lender_.arena().tidy();
            worker_->lessee.tidy();
        }
    }

    std::optional<Begun> in_slot(std::int64_t id) const {
        const auto slot = worker_->control.begun(id);
        if (!slot) return std::nullopt;
        return Begun{id, monotonic_time(slot->since_ns), slot->is_suspended};
    }

    // Reads the worker's next frame, if there is one.
    std::optional<Arrival> read() {
        std::string& frame = worker_->frame;
        try {
            if (!worker_->control.reader().read(frame)) return std::nullopt;
        } catch (const RemoteProtocolError& error) {
            return Unreadable{error};
        }
        const shm::Kind kind = shm::read_frame_header(frame).kind;
        try {
            return decode(frame);
        } catch (const RemoteProtocolError& error) {
            if (kind == shm::Kind::item) return Item{id_of(frame), {}, std::current_exception()};
            if (kind == shm::Kind::ask) return Ask{id_of(frame), "", {}, false, std::current_exception()};
            return Unreadable{error, id_of(frame)};
        } catch (const ArenaFull& error) {
            return not_taken_in(frame, kind, "tech_renaissance.ArenaFull", std::string(": ") + error.what());
        } catch (const std::bad_alloc&) {
            return not_taken_in(frame, kind, "MemoryError", "");
        }
    }

    Arrival decode(std::string& frame) {
        const shm::FrameHeader header = shm::read_frame_header(frame);
        if ((header.flags & shm::flag_body_in_block) != 0) {
            const auto [lent, nbytes] = shm::decode_body_in_block(frame);
            frame = frame.substr(0, shm::frame_header_nbytes) + worker_->lessee.body(lent, nbytes);
        }
        switch (header.kind) {
            case shm::Kind::ready: return ready_of(shm::decode_ready(frame));
            case shm::Kind::exiting: return Exiting{};
            case shm::Kind::response: return reply(frame);
            case shm::Kind::item: return item(reply(frame));
            case shm::Kind::progress: return told(frame);
            case shm::Kind::ask: return ask(frame);
            case shm::Kind::input_credit: return granted(frame);
            default: throw_bad_frame("a worker does not send frames of this kind");
        }
    }

    Reply reply(const std::string& frame) {
        auto [response, lent] = shm::decode_response_frame(frame);
        std::vector<Attachment> attachments = worker_->lessee.attachments(lent);
        return {std::move(response), std::move(attachments)};
    }

    static Item item(Reply reply) {
        Response& response = reply.response;
        return {response.id, {response.form, std::move(response.result), std::move(reply.attachments)}};
    }

    static Told told(const std::string& frame) {
        auto [id, progress] = shm::decode_progress(frame);
        return {id, std::move(progress)};
    }

    Ask ask(const std::string& frame) {
        shm::AskFrame ask = shm::decode_ask(frame);
        std::vector<Attachment> attachments = worker_->lessee.attachments(ask.attachments);
        return {
            ask.id, std::move(ask.name), {ask.form, std::move(ask.parameters), std::move(attachments)}, ask.waiting};
    }

    static Granted granted(const std::string& frame) {
        const auto [id, count] = shm::decode_input_credit(frame);
        return {id, count};
    }

    static std::optional<std::int64_t> id_of(const std::string& frame) {
        const shm::FrameHeader header = shm::read_frame_header(frame);
        return header.id == 0 ? std::nullopt : std::optional<std::int64_t>(static_cast<std::int64_t>(header.id));
    }

    static Arrival not_taken_in(const std::string& frame, shm::Kind kind, const std::string& type,
                                const std::string& why) {
        const bool is_short = (shm::read_frame_header(frame).flags & shm::flag_short) != 0;
        Reply reply = detail::not_taken_in(id_of(frame), is_short ? Dialect::Short : Dialect::Long, type, why);
        if (kind != shm::Kind::item && kind != shm::Kind::ask) return reply;
        const std::string& message = reply.response.message;
        const auto error = std::make_exception_ptr(CommandError("command_failed", message, {type, message, ""}));
        if (kind == shm::Kind::item) return Item{id_of(frame), {}, error};
        return Ask{id_of(frame), "", {}, false, error};
    }

    const std::optional<std::chrono::microseconds> look_;
    shm::Lender lender_;
    std::unique_ptr<WorkerSide> worker_;
    WaitHandle exit_handle_ = no_handle;
    std::mutex mutex_;  // for the worker's side while others may use it, the tags and the writing end of the ring
    std::map<std::string, shm::BlockPtr> tags_;
    bool is_in_use_ = false;             // whether a worker uses this transport
    std::set<std::string> unannounced_;  // tags whose changes the worker has not been told
};

}  // namespace tr::detail
