// Frames in shared memory, with a worker's end that is played by the test: attachments, and frames that lie.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "check.h"
#include "shm_host_fixture.h"
#include "tech_renaissance/detail/transport/shm/host.h"

using shm_host_fixture::FakeWorker;
using shm_host_fixture::HostAndWorker;
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
using tr::detail::Unreadable;
namespace shm = tr::detail::shm;
using namespace std::chrono_literals;

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

TEST("a request whose response has come counts as begun until that has been dealt with") {
    HostAndWorker f;
    f.worker->answer({});
    CHECK_EQ(1u, f.host->begun({1, 2}).size());
    CHECK(f.host->receive(1min).has_value());
    CHECK_EQ(1u, f.host->begun({1, 2}).size());
    CHECK_EQ(1, f.host->begun({1, 2}).at(0).id);
    f.host->forget_taken();
    CHECK(f.host->begun({1, 2}).empty());
}

#else
#include "check.h"
#endif
