// The host's end of shared memory, with a worker's end that is played by the test: leases, tags, and frames that lie.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/transport/shm/host.h"

using tr::DType;
using tr::RemoteProtocolError;
using tr::Shape;
using tr::Tensor;
using tr::detail::Arrival;
using tr::detail::AttachmentKind;
using tr::detail::BodyForm;
using tr::detail::PlacedAttachment;
using tr::detail::Reply;
using tr::detail::Request;
using tr::detail::ShmHost;
using tr::detail::Unreadable;
namespace shm = tr::detail::shm;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<shm::Mapping> map_again(int descriptor) {
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
        return requests_.read(frame) ? frame : "";
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

const std::vector<shm::Kind> only_a_request = {shm::Kind::request};
const std::vector<shm::Kind> a_put_and_a_request = {shm::Kind::put, shm::Kind::request};
const std::vector<shm::Kind> a_drop_and_a_request = {shm::Kind::drop, shm::Kind::request};

}  // namespace

TEST("a tensor of empty is sent as it is, any other is copied") {
    HostAndWorker f;
    Tensor shared = f.host->empty(Shape(4), DType::FP32);
    f.host->put_tensor("shared", shared);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    shared.data<float>()[0] = 5;
    CHECK_EQ(5.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));

    Tensor ordinary = Tensor::full(Shape(4), 1.0f);
    f.host->put_tensor("ordinary", ordinary);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    ordinary.data<float>()[0] = 5;
    CHECK_EQ(1.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));

    f.host->put_tensor("another shape", shared.reshape(Shape(2, 2)));
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    shared.data<float>()[0] = 6;
    CHECK_EQ(5.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
}

TEST("a tensor goes over the last one of its tag if the worker says that it may") {
    HostAndWorker f;
    const auto put = [&](float value, const Shape& shape) {
        f.host->put_tensor("t", Tensor::full(shape, value));
        CHECK(a_put_and_a_request == f.kinds_with_a_request());
        CHECK_EQ(value, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
        return f.worker->last_put().lent;
    };
    const shm::Lent first = put(1, Shape(4));
    f.worker->mark_idle(first);
    const shm::Lent second = put(2, Shape(4));
    CHECK(first.offset != second.offset);  // because a request is in work

    f.worker->mark_idle(second);
    f.worker->set_served(2);
    const shm::Lent third = put(3, Shape(4));
    CHECK_EQ(second.offset, third.offset);
    CHECK(second.lease < third.lease);

    f.worker->set_served(3);
    const shm::Lent fourth = put(4, Shape(4));
    CHECK(third.offset != fourth.offset);  // because the mark is that of an earlier lease

    f.worker->mark_idle(fourth);
    f.worker->set_served(4);
    CHECK(fourth.offset != put(5, Shape(2, 2)).offset);
}

TEST("a tag is announced when it changes, and only then") {
    HostAndWorker f;
    const Tensor shared = f.host->empty(Shape(4), DType::FP32);
    f.host->put_tensor("t", shared);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    CHECK(only_a_request == f.kinds_with_a_request());
    f.host->put_tensor("t", shared);
    CHECK(only_a_request == f.kinds_with_a_request());
    f.host->put_tensor("t", Tensor::zeros(Shape(4)));
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    f.host->drop_tensor("t");
    CHECK(a_drop_and_a_request == f.kinds_with_a_request());
    f.host->drop_tensor("t");
    CHECK(only_a_request == f.kinds_with_a_request());
}

TEST("tags are announced to the next worker, with the headers that they had") {
    HostAndWorker f;
    f.host->put_tensor("t", Tensor::full(Shape(4), 1.0f));
    f.kinds_with_a_request();
    std::memset(f.worker->header_of(f.worker->last_put().lent), 0xff, 64);
    f.worker = f.start();
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    CHECK_EQ("t", f.worker->last_put().tag);
    CHECK_EQ(0, std::memcmp(f.worker->header_of(f.worker->last_put().lent), "TSR!", 4));
    CHECK_EQ(1.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
}

TEST("a lease is returned when the last copy of its tensor is gone, in whatever thread") {
    HostAndWorker f;
    f.worker->make(4096, Shape(100));
    auto result = std::make_unique<Tensor>(f.result({4096, 7}));
    CHECK_EQ(1, result->data<std::uint8_t>()[99]);
    std::thread other([copy = *result, &f]() mutable {
        CHECK_EQ(0, f.worker->returned(4096));
        copy = Tensor();
    });
    other.join();
    CHECK_EQ(0, f.worker->returned(4096));
    std::thread([&] { result = nullptr; }).join();
    CHECK_EQ(7, f.worker->returned(4096));
}

TEST("of two leases on one block the later one is returned, when both are gone") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    Tensor first = f.result({0, 1});
    Tensor second = f.result({0, 2});
    CHECK(first.data_ptr() == second.data_ptr());
    second = Tensor();
    CHECK_EQ(0, f.worker->returned(0));
    first = Tensor();
    CHECK_EQ(2, f.worker->returned(0));
}

TEST("a lease that ends late does not cover one that was returned after it") {
    const shm::Segment segment(std::size_t{1} << 20);
    const auto window = std::make_shared<shm::Mapping>(segment.descriptor(), 0, segment.nbytes());
    auto early = std::make_unique<shm::Lease>(window, shm::Lent{0, 1});
    auto late = std::make_unique<shm::Lease>(window, shm::Lent{0, 2});
    late = nullptr;
    early = nullptr;
    CHECK_EQ(2, window->word(0).load());
}

TEST("results that are let go of in other threads while new ones come are all returned") {
    HostAndWorker f;
    for (std::uint64_t block = 0; block < 16; ++block) f.worker->make(4096 * block, Shape(100));
    std::vector<std::thread> threads;
    for (std::uint64_t lease = 1; lease <= 2000; ++lease) {
        Tensor result = f.result({4096 * (lease % 16), lease});
        if (threads.size() == 8) {
            threads.front().join();
            threads.erase(threads.begin());
        }
        threads.emplace_back([kept = std::move(result)]() mutable { kept = Tensor(); });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::uint64_t lease = 1985; lease <= 2000; ++lease) CHECK_EQ(lease, f.worker->returned(4096 * (lease % 16)));
}

TEST("results and tensors of empty outlive their transport") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    const Tensor result = f.result({0, 1});
    const Tensor shared = f.host->empty(Shape(3), DType::INT64);
    f.host = nullptr;
    f.worker = nullptr;
    CHECK_EQ(1, result.data<std::uint8_t>()[0]);
    shared.data<std::int64_t>()[2] = 4;
    CHECK_EQ(4, shared.data<std::int64_t>()[2]);
}

TEST("what a fork of the host lets go of is not let go of") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    Tensor result = f.result({0, 1});
    Tensor shared = f.host->empty(Shape(3), DType::INT64);
    const pid_t child = ::fork();
    if (child == 0) {
        result = Tensor();
        shared = Tensor();
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    CHECK_EQ(0, f.worker->returned(0));
    result = Tensor();
    CHECK_EQ(1, f.worker->returned(0));
}

TEST("a tensor of empty keeps one window of a transport that is gone, and no descriptor") {
    const auto count = [](const char* folder) {
        return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
    };
    const auto descriptors = count("/proc/self/fd");
    const auto mappings = count("/proc/self/map_files");
    auto host = std::make_unique<ShmHost>();
    host->prepare();
    Tensor shared = host->empty(Shape(3), DType::INT64);
    Tensor large = host->empty(Shape(20 << 20), DType::UINT8);
    host = nullptr;
    CHECK_EQ(descriptors, count("/proc/self/fd"));
    CHECK_EQ(mappings + 2, count("/proc/self/map_files"));
    shared.data<std::int64_t>()[0] = 7;
    shared = Tensor();
    CHECK_EQ(mappings + 1, count("/proc/self/map_files"));
}

TEST("a host without standard streams has no descriptor of ours in their place") {
    const pid_t child = ::fork();
    if (child == 0) {
        for (const int stream : {0, 1, 2}) ::close(stream);
        const HostAndWorker f;
        bool is_clear = true;
        for (const int descriptor : f.host->prepare().descriptors) is_clear = is_clear && descriptor > 2;
        ::_exit(is_clear ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK_EQ(0, status);
}

TEST("blocks beyond 32 bits are where they are") {
    HostAndWorker f;
    const std::uint64_t far = (std::uint64_t{6} << 30) + 4096;
    f.worker->make(far, Shape(100));
    Tensor result = f.result({far, (std::uint64_t{1} << 40) + 1});
    CHECK_EQ(1, result.data<std::uint8_t>()[99]);
    result = Tensor();
    CHECK_EQ((std::uint64_t{1} << 40) + 1, f.worker->returned(far));
}

TEST("results that are made up are refused, and nothing is kept of them") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    const std::uint64_t end = std::uint64_t{1} << 40;
    for (const shm::Lent& lent : std::vector<shm::Lent>{{32, 1},
                                                        {end, 1},
                                                        {end - 64, 1},
                                                        {~std::uint64_t{0} - 63, 1},
                                                        {0, 0},
                                                        {0, std::uint64_t{1} << 63},
                                                        {8192, 1}}) {
        f.worker->answer({{0, 1}, lent});
        CHECK_EQ("bad_frame", f.refused());
    }
    CHECK_EQ(1, f.worker->returned(0));
}

TEST("a result whose header claims more than there is is refused") {
    HostAndWorker f;
    for (const std::int64_t dim :
         {std::int64_t{1} << 31, std::int64_t{1} << 39, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max(),
          std::numeric_limits<std::int64_t>::max() - 200}) {
        const auto header = tr::detail::write_tsr_header(DType::UINT8, Shape(std::vector<std::int64_t>{dim}));
        std::memcpy(f.worker->at(shm::block_prefix_nbytes), header.bytes.data(), header.nbytes);
        f.worker->answer({{0, 1}});
        CHECK_EQ("bad_frame", f.refused());
    }
}

TEST("a body in a block is read whole, and refused when it cannot be there") {
    HostAndWorker f;
    const std::string frame = FakeWorker::response({}, 1);
    std::memcpy(f.worker->at(shm::block_prefix_nbytes), frame.data() + 16, frame.size() - 16);
    const auto short_frame = [&](std::uint64_t nbytes) {
        shm::FrameWriter writer(shm::Kind::response, shm::flag_body_in_block, 1);
        return writer.put(std::uint64_t{0}).put(std::uint64_t{1}).put(nbytes).finish();
    };
    f.worker->say(short_frame(frame.size() - 16));
    CHECK_EQ("result", f.reply().response.result);
    CHECK_EQ(1, f.worker->returned(0));
    for (const std::uint64_t nbytes : {std::uint64_t{1} << 39, std::uint64_t{1} << 41, ~std::uint64_t{0}}) {
        f.worker->say(short_frame(nbytes));
        CHECK_EQ("bad_frame", f.refused());
    }
}

TEST("a broken ring is told every time") {
    HostAndWorker f;
    f.worker->break_ring();
    for (int times = 0; times < 3; ++times) CHECK_EQ("broken_ring", f.refused());
}

TEST("a frame that is cut off or changed anywhere is refused with one kind of error, or says something") {
    const std::vector<std::string> frames = {FakeWorker::response({}, 3), FakeWorker::response({{64, 1}, {128, 2}}, 3)};
    const auto attempt = [](const std::string& frame) {
        try {
            shm::decode_response_frame(frame);
            shm::decode_body_in_block(frame);
        } catch (const RemoteProtocolError&) {
        }
    };
    for (const std::string& frame : frames) {
        CHECK_EQ("result", shm::decode_response_frame(frame).first.result);
        for (std::size_t length = 16; length < frame.size(); ++length) attempt(frame.substr(0, length));
        for (std::size_t position = 0; position < frame.size(); ++position) {
            for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
                std::string changed = frame;
                changed[position] = static_cast<char>(value);
                attempt(changed);
            }
        }
    }
    CHECK_THROWS(RemoteProtocolError, "bad_frame", shm::decode_response_frame(frames[0].substr(0, 48)));
}

TEST("a deadline is the last eight bytes of its request's frame") {
    HostAndWorker f;
    CHECK(f.host->try_send({"command", "abc", 1, tr::detail::Dialect::Long, 0x1122334455667788}, {}));
    const std::string frame = f.worker->read();
    std::uint64_t deadline = 0;
    std::memcpy(&deadline, frame.data() + frame.size() - 8, 8);
    CHECK_EQ(0x1122334455667788, deadline);
    CHECK_EQ(24 + 16 + 8, frame.size());
    CHECK_EQ(4, shm::read_frame_header(frame).flags);
}

TEST("a request lends its attachments, whose blocks are free when they are returned and the call is done") {
    HostAndWorker f;
    Tensor ordinary = Tensor::full(Shape(4), 1.0f);
    std::vector<PlacedAttachment> placed = {f.place(ordinary)};
    ordinary.data<float>()[0] = 5;
    const auto first = f.send(placed).at(0);
    CHECK_EQ(1.0f, *reinterpret_cast<float*>(f.worker->data_of(first.lent)));
    CHECK_EQ(std::size_t{24 + 8 + 24}, f.worker->last_frame().size());

    const auto other = f.send({f.place(ordinary)}).at(0);
    CHECK(first.lent.offset != other.lent.offset);
    placed.clear();
    CHECK(first.lent.offset != f.send({f.place(ordinary)}).at(0).lent.offset);  // not returned
    f.worker->give_back(first.lent);
    CHECK_EQ(first.lent.offset, f.send({f.place(ordinary)}).at(0).lent.offset);
}

TEST("a request has its form, that it is typed, its attachments and its deadline in its frame") {
    HostAndWorker f;
    Request request{"command", "abc", 1, tr::detail::Dialect::Long, 7};
    request.typed = true;
    request.form = BodyForm::Json;
    const auto bytes = f.host->place({AttachmentKind::Bytes, Tensor::zeros(Shape(3), DType::UINT8)});
    Tensor shared = f.host->empty(Shape(4), DType::FP32);
    const auto attachments = f.send({bytes, f.place(shared), f.place(shared)}, request);
    CHECK_EQ(std::size_t{3}, attachments.size());
    CHECK(attachments[0].kind == AttachmentKind::Bytes);
    CHECK(attachments[1].kind == AttachmentKind::Tensor);
    CHECK_EQ(attachments[1].lent.offset, attachments[2].lent.offset);
    shared.data<float>()[0] = 9;
    CHECK_EQ(9.0f, *reinterpret_cast<float*>(f.worker->data_of(attachments[1].lent)));
    CHECK(attachments[1].lent.lease < attachments[2].lent.lease);
    CHECK_EQ(4 | 8 | 2 << 4, shm::read_frame_header(f.worker->last_frame()).flags);
}

TEST("a second worker gets the same blocks under new leases, with the headers that they had") {
    HostAndWorker f;
    const std::vector<PlacedAttachment> placed = {f.place(Tensor::full(Shape(4), 1.0f))};
    const auto first = f.send(placed).at(0);
    std::memset(f.worker->header_of(first.lent), 0xff, 64);
    f.worker = f.start();
    const auto second = f.send(placed).at(0);
    CHECK_EQ(first.lent.offset, second.lent.offset);
    CHECK(first.lent.lease < second.lent.lease);
    CHECK_EQ(0, std::memcmp(f.worker->header_of(second.lent), "TSR!", 4));
}

TEST("the attachments of a request for which there is no room are not lent") {
    HostAndWorker f;
    std::vector<PlacedAttachment> placed = {f.place(Tensor::full(Shape(4), 1.0f))};
    const auto first = f.send(placed).at(0);
    f.worker->give_back(first.lent);
    const Request large{"command", std::string(60000, 'x'), 1, tr::detail::Dialect::Long};
    while (f.host->try_send(large, {})) {
    }
    CHECK(!f.host->try_send(large, placed));
    placed.clear();
    CHECK_EQ(4u, f.worker->kinds().size());
    CHECK_EQ(first.lent.offset, f.send({f.place(Tensor::full(Shape(4), 1.0f))}).at(0).lent.offset);
}

TEST("a large request lends its attachments, too") {
    HostAndWorker f;
    const std::vector<PlacedAttachment> placed(10000, f.place(Tensor::full(Shape(4), 1.0f)));
    CHECK(f.host->try_send({"command", "x", 1, tr::detail::Dialect::Long, 7}, placed));
    const std::string frame = f.worker->read();
    const auto [lent, nbytes] = shm::decode_body_in_block(frame);
    CHECK_EQ(std::uint64_t{16 + 24 * 10000 + 8}, nbytes);
    std::uint64_t deadline = 0;
    std::memcpy(&deadline, f.worker->header_of(lent) + nbytes - 8, 8);
    CHECK_EQ(7, deadline);
}

TEST("attachments that were placed outlive their transport, and can also travel as files") {
    HostAndWorker f;
    const PlacedAttachment placed = f.place(Tensor::full(Shape(4), 1.0f));
    f.host = nullptr;
    const std::string_view tsr = placed.memory->tsr();
    CHECK_EQ(std::size_t{64 + 16}, tsr.size());
    CHECK_EQ("TSR!", tsr.substr(0, 4));
}

TEST("results have their kinds, and one that does not fit its kind is refused") {
    HostAndWorker f;
    const auto receives = [&](AttachmentKind kind, const Shape& shape, DType dtype) {
        f.worker->make(0, shape, dtype);
        f.worker->answer({{0, 1}}, kind);
        const std::optional<Arrival> arrival = f.host->receive(1min);
        if (std::holds_alternative<Unreadable>(*arrival)) return false;
        CHECK(std::get<Reply>(*arrival).attachments.at(0).kind == kind);
        return true;
    };
    CHECK(receives(AttachmentKind::Tensor, Shape(2, 2), DType::INT8));
    CHECK(receives(AttachmentKind::Bytes, Shape(4), DType::UINT8));
    CHECK(receives(AttachmentKind::Int64List, Shape(4), DType::INT64));
    CHECK(receives(AttachmentKind::Float64List, Shape(4), DType::FP64));
    CHECK(!receives(AttachmentKind::Bytes, Shape(2, 2), DType::UINT8));
    CHECK(!receives(AttachmentKind::Bytes, Shape(4), DType::INT8));
    CHECK(!receives(AttachmentKind::Int64List, Shape(4), DType::FP64));
    CHECK(!receives(AttachmentKind::Float64List, Shape(4), DType::FP32));
}

TEST("items come with their attachments, and one that cannot be read says so under its id") {
    HostAndWorker f;
    const auto item = [](const shm::Lent& lent) {
        std::string frame = FakeWorker::response({lent}, 5);
        frame[4] = static_cast<char>(shm::Kind::item);
        return frame;
    };
    f.worker->make(0, Shape(100));
    f.worker->say(item({0, 1}));
    f.worker->say(item({32, 2}));
    {
        const auto first = std::get<tr::detail::Item>(*f.host->receive(1min));
        CHECK_EQ(5, first.id.value_or(0));
        CHECK_EQ("result", first.body.text);
        CHECK_EQ(1, first.body.attachments.at(0).data.data<std::uint8_t>()[99]);
        CHECK(first.error == nullptr);
    }
    CHECK_EQ(1, f.worker->returned(0));
    const auto second = std::get<tr::detail::Item>(*f.host->receive(1min));
    CHECK_EQ(5, second.id.value_or(0));
    CHECK_THROWS(RemoteProtocolError, "bad_frame", std::rethrow_exception(second.error));
}

TEST("credit is a frame of its own") {
    HostAndWorker f;
    CHECK(f.host->try_send_credit(5, 8));
    const std::string frame = f.worker->read();
    CHECK(shm::read_frame_header(frame).kind == shm::Kind::credit);
    CHECK_EQ(5, static_cast<int>(shm::read_frame_header(frame).id));
    CHECK_EQ(8, static_cast<int>(frame[16]));
    CHECK_EQ(std::size_t{24}, frame.size());
}

TEST("given-up ids stand in their list, the 257th in place of the first") {
    HostAndWorker f;
    for (std::int64_t id = 17; id < 17 + 257; ++id) f.host->ask_to_cancel(id);
    CHECK_EQ(257, f.worker->word(80).load());
    CHECK_EQ(17 + 256, f.worker->word(528384).load());
    CHECK_EQ(18, f.worker->word(528384 + 8).load());
}

TEST("requests in work stand in slots, with the time when they were begun") {
    HostAndWorker f;
    CHECK(f.host->begun({5}).empty());
    f.worker->word(1024).store(5);
    f.worker->word(1032).store(1000);
    f.worker->word(1024 + 63 * 32).store(7);
    f.worker->word(1032 + 63 * 32).store(~std::uint64_t(0));  // a lie
    const auto before = tr::detail::Clock::now();
    const auto begun = f.host->begun({5, 6, 7});
    CHECK_EQ(2u, begun.size());
    CHECK_EQ(5, begun[0].id);
    CHECK_EQ(1000, begun[0].since->time_since_epoch().count());
    CHECK_EQ(7, begun[1].id);
    CHECK(*begun[1].since >= before && *begun[1].since <= tr::detail::Clock::now());
}

#else
#include "check.h"
#endif
