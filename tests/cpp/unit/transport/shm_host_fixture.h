// The host's end of shared memory, and a worker's end that is played by the test.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/transport/shm/host.h"

namespace shm_host_fixture {

using tr::DType;
using tr::Shape;
using tr::Tensor;
using tr::detail::Arrival;
using tr::detail::AttachmentKind;
using tr::detail::PlacedAttachment;
using tr::detail::Reply;
using tr::detail::Request;
using tr::detail::ShmHost;
using tr::detail::Unreadable;
namespace shm = tr::detail::shm;
using namespace std::chrono_literals;

inline std::shared_ptr<shm::Mapping> map_again(int descriptor) {
    struct stat status{};
    ::fstat(descriptor, &status);
    return std::make_shared<shm::Mapping>(descriptor, 0, static_cast<std::uint64_t>(status.st_size));
}

struct Put {
    std::string tag;
    shm::Lent lent;
};

// A worker's end.
class FakeWorker {
public:
    explicit FakeWorker(const std::vector<int>& descriptors)
        : control_(map_again(descriptors[0])),
          host_arena_(map_again(descriptors[1])),
          arena_(map_again(descriptors[2])) {}

    // The next frame, or nothing.
    std::string read() {
        std::string frame;
        const bool came = requests_.read(frame);
        requests_.release();
        return came ? frame : "";
    }
    std::vector<shm::Kind> kinds() {
        std::vector<shm::Kind> kinds;
        for (std::string frame = read(); !frame.empty(); frame = read()) {
            kinds.push_back(shm::read_frame_header(frame).kind);
            if (kinds.back() == shm::Kind::put) last_put_ = decode_put(frame);
        }
        return kinds;
    }
    const Put& last_put() const { return last_put_; }
    // Those of the next frame, a request.
    std::vector<shm::LentAttachment> read_attachments() {
        frame_ = read();
        shm::FrameReader reader(std::string_view(frame_).substr(12));
        const auto texts = reader.number<std::uint32_t>() + reader.number<std::uint32_t>();
        std::size_t begin = (24 + texts + 7) / 8 * 8;
        const std::size_t deadline = (shm::read_frame_header(frame_).flags & shm::flag_deadline) != 0 ? 8 : 0;
        std::vector<shm::LentAttachment> attachments;
        for (; begin + shm::attachment_nbytes + deadline <= frame_.size(); begin += shm::attachment_nbytes) {
            shm::FrameReader part(std::string_view(frame_).substr(begin - 4));
            attachments.push_back(part.attachment());
        }
        CHECK_EQ(frame_.size(), begin + deadline);
        return attachments;
    }
    const std::string& last_frame() const { return frame_; }

    std::byte* data_of(shm::Lent lent) const { return host_arena_->at(lent.offset + shm::block_prefix_nbytes + 64); }
    std::byte* header_of(shm::Lent lent) const { return host_arena_->at(lent.offset + shm::block_prefix_nbytes); }
    // Returns a block of the host's.
    void give_back(shm::Lent lent) { host_arena_->word(lent.offset).store(lent.lease); }
    std::uint64_t returned(std::uint64_t offset) const { return arena_->word(offset).load(); }

    // Says that of a block only its tag is left here.
    void mark_idle(shm::Lent lent) { host_arena_->word(lent.offset + 8).store(lent.lease); }
    void set_served(std::uint64_t requests) { control_->word(shm::served_word).store(requests); }

    // Takes memory for a tensor in our arena, with this header, all bytes 1.
    void make(std::uint64_t offset, const Shape& shape, DType dtype = DType::UINT8) {
        const auto header = tr::detail::write_tsr_header(dtype, shape);
        const auto nbytes = static_cast<std::size_t>(shape.nbytes(tr::dtype_info(dtype).nbytes));
        std::memcpy(arena_->at(offset + shm::block_prefix_nbytes), header.bytes.data(), header.nbytes);
        std::memset(arena_->at(offset + shm::block_prefix_nbytes + header.nbytes), 1, nbytes);
    }
    std::byte* at(std::uint64_t offset) const { return arena_->at(offset); }

    void answer(const std::vector<shm::Lent>& lent, AttachmentKind kind = AttachmentKind::Tensor) {
        say(response(lent, 1, kind));
    }
    void say(const std::string& frame) { CHECK(responses_.try_write(frame)); }
    shm::Word& word(std::uint64_t offset) { return control_->word(offset); }
    void break_ring() { control_->word(shm::response_ring.head).store(8); }

    static std::string response(const std::vector<shm::Lent>& lent, std::uint64_t id,
                                AttachmentKind kind = AttachmentKind::Tensor) {
        shm::FrameWriter writer(shm::Kind::response, 0, id);
        const std::string error = lent.empty() ? R"({"code":"c","message":"m","type":"t","traceback":"b"})" : "";
        std::string texts = "cresult" + error;
        texts.resize((texts.size() + 7) / 8 * 8);
        writer.put(std::uint32_t{1}).put(std::uint32_t{6}).put(std::uint32_t{0});
        writer.put(static_cast<std::uint32_t>(error.size())).put(static_cast<std::uint32_t>(lent.size()));
        writer.put(std::uint32_t{0}).put(texts);
        for (const shm::Lent& block : lent)
            writer.put(static_cast<std::uint64_t>(kind)).put(block.offset).put(block.lease);
        return writer.finish();
    }

private:
    static Put decode_put(const std::string& frame) {
        shm::FrameReader reader(std::string_view(frame).substr(12));
        Put put;
        put.lent.offset = reader.number<std::uint64_t>();
        put.lent.lease = reader.number<std::uint64_t>();
        const auto size = reader.number<std::uint32_t>();
        reader.number<std::uint32_t>();
        put.tag = reader.text(size);
        return put;
    }

    std::shared_ptr<shm::Mapping> control_;
    std::shared_ptr<shm::Mapping> host_arena_;
    std::shared_ptr<shm::Mapping> arena_;

    shm::RingReader requests_{*control_, shm::request_ring};
    shm::RingWriter responses_{*control_, shm::response_ring};
    Put last_put_;
    std::string frame_;
};

struct HostAndWorker {
    std::unique_ptr<ShmHost> host = std::make_unique<ShmHost>();
    std::unique_ptr<FakeWorker> worker = start();

    std::unique_ptr<FakeWorker> start() { return std::make_unique<FakeWorker>(host->prepare().descriptors); }

    std::vector<shm::Kind> kinds_with_a_request() {
        CHECK(host->try_send({"command", "", 1, tr::detail::Dialect::Long}, {}));
        return worker->kinds();
    }
    PlacedAttachment place(const Tensor& tensor) { return host->place({AttachmentKind::Tensor, tensor}); }
    // What a request lends.
    std::vector<shm::LentAttachment> send(const std::vector<PlacedAttachment>& attachments, const Request& request) {
        CHECK(host->try_send(request, attachments));
        return worker->read_attachments();
    }
    std::vector<shm::LentAttachment> send(const std::vector<PlacedAttachment>& attachments) {
        return send(attachments, {"command", "", 1, tr::detail::Dialect::Long});
    }
    Reply reply() {
        std::optional<Arrival> arrival = host->receive(1min);
        CHECK(arrival && std::holds_alternative<Reply>(*arrival));
        return std::move(std::get<Reply>(*arrival));
    }
    Tensor result(const shm::Lent& lent) {
        worker->answer({lent});
        return reply().attachments.at(0).data;
    }
    // The code of what is refused.
    std::string refused() {
        const std::optional<Arrival> arrival = host->receive(1min);
        return arrival && std::holds_alternative<Unreadable>(*arrival) ? std::get<Unreadable>(*arrival).error.code()
                                                                       : "";
    }
};

inline const std::vector<shm::Kind> only_a_request = {shm::Kind::request};
inline const std::vector<shm::Kind> a_put_and_a_request = {shm::Kind::put, shm::Kind::request};
inline const std::vector<shm::Kind> a_drop_and_a_request = {shm::Kind::drop, shm::Kind::request};

}  // namespace shm_host_fixture
