// Sections: what is committed, and what becomes of a reader that is told of memory that is not.
#include "check.h"
#include "tech_renaissance/detail/transport/shm/lessee.h"

namespace shm = tr::detail::shm;

namespace {

constexpr std::uint64_t granule = 1 << 16;
constexpr std::uint64_t megabyte = 1 << 20;

std::vector<shm::LentAttachment> tensor_at(std::uint64_t offset, std::uint64_t lease) {
    return {{tr::detail::AttachmentKind::Tensor, {offset, lease}}};
}

}  // namespace

TEST("an arena takes no memory until it is committed, and then every view of it can be touched there") {
    const shm::Segment segment = shm::Segment::arena();
    CHECK(segment.nbytes() >= 64 * megabyte);
    shm::Mapping owner(segment.descriptor(), 0, 16 * megabyte);
    shm::Mapping reader(segment.descriptor(), 0, 16 * megabyte);
    CHECK(!reader.can_hold(segment, 0, 1));
    segment.commit(granule, 3 * granule);
    CHECK(reader.can_hold(segment, granule, 3 * granule));
    CHECK(!reader.can_hold(segment, granule, 3 * granule + 1));
    CHECK(!reader.can_hold(segment, 0, granule));
    CHECK(!segment.can_hold(0, 1));
    CHECK(segment.can_hold(granule + 5, 3 * granule));
    owner.word(2 * granule).store(42);
    CHECK_EQ(42, reader.word(2 * granule).load());
    std::uint64_t word = 0;
    segment.read(2 * granule, reinterpret_cast<char*>(&word), sizeof word);
    CHECK_EQ(42, word);
}

TEST("what a reader knows to be committed grows, whatever it asks for first") {
    const shm::Segment segment = shm::Segment::arena();
    shm::Mapping reader(segment.descriptor(), 16 * megabyte, 32 * megabyte);
    const std::uint64_t begin = 16 * megabyte;
    segment.commit(begin + 4 * granule, begin + 6 * granule);
    CHECK(reader.can_hold(segment, begin + 5 * granule, begin + 6 * granule));
    CHECK(reader.can_hold(segment, begin + 4 * granule, begin + 6 * granule));
    segment.commit(begin, begin + granule);
    CHECK(reader.can_hold(segment, begin, begin + granule));
    CHECK(!reader.can_hold(segment, begin, begin + 5 * granule));
    CHECK(reader.can_hold(segment, begin + 4 * granule, begin + 6 * granule));
    segment.commit(begin + granule, begin + 4 * granule);
    CHECK(reader.can_hold(segment, begin, begin + 6 * granule));
    CHECK(!reader.can_hold(segment, begin, begin + 6 * granule + 1));
}

TEST("a lease that is returned where there is no memory is not stored") {
    const shm::Segment segment = shm::Segment::arena();
    segment.store(0, 1);
    CHECK(!segment.can_hold(0, 8));
    segment.commit(0, granule);
    segment.store(0, 1);
    std::uint64_t word = 0;
    segment.read(0, reinterpret_cast<char*>(&word), sizeof word);
    CHECK_EQ(1, word);
}

TEST("a worker that names memory it has not committed has sent a bad frame") {
    const shm::Segment segment = shm::Segment::arena();
    shm::Lessee lessee(segment);
    CHECK_THROWS(tr::RemoteProtocolError, "bad_frame", lessee.attachments(tensor_at(0, 1)));
    CHECK_THROWS(tr::RemoteProtocolError, "bad_frame", lessee.attachments(tensor_at(16 * megabyte - 256, 1)));
    CHECK_THROWS(tr::RemoteProtocolError, "bad_frame", lessee.body({0, 1}, 100));
    CHECK_THROWS(tr::RemoteProtocolError, "bad_frame", lessee.body({0, 1}, segment.nbytes() - 64));
    // The header is there, but not all of the elements.
    segment.commit(0, granule);
    shm::Mapping owner(segment.descriptor(), 0, 16 * megabyte);
    const auto header = tr::detail::write_tsr_header(tr::DType::UINT8, tr::Shape({granule}));
    std::memcpy(owner.at(shm::block_prefix_nbytes), header.bytes.data(), header.nbytes);
    CHECK_THROWS(tr::RemoteProtocolError, "bad_frame", lessee.attachments(tensor_at(0, 2)));
    segment.commit(granule, 2 * granule);
    CHECK_EQ(1, lessee.attachments(tensor_at(0, 3)).size());
}
