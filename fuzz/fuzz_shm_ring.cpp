// Any bytes in a ring, and any head, are frames, nothing, or broken_ring: nothing else, no fault, and always an end.
//
// The input: how many bytes of traffic came before (2 bytes), what the head is beyond the tail (8 bytes), and the bytes
// that stand where the reader goes on.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tech_renaissance/detail/transport/shm/control.h"
#include "tech_renaissance/detail/transport/shm/ring.h"
#include "tech_renaissance/detail/transport/shm/segment.h"

namespace {

namespace shm = tr::detail::shm;

constexpr std::size_t head_nbytes = 10;

void require(bool condition) {
    if (!condition) std::abort();
}

std::string frame(std::uint32_t nbytes) {
    std::string bytes(nbytes, '\1');
    std::memcpy(&bytes[0], &nbytes, sizeof nbytes);
    return bytes;
}

// Writes and reads frames until the ring stands where this many bytes have passed.
void pass(shm::RingWriter& writer, shm::RingReader& reader, std::uint64_t nbytes) {
    std::string read;
    while (nbytes >= 16) {
        const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(nbytes, 65536));
        require(writer.try_write(frame(size)) && reader.read(read));
        nbytes -= size;
    }
}

void put(const shm::Mapping& mapping, std::uint64_t position, const std::uint8_t* data, std::size_t nbytes) {
    for (std::size_t i = 0; i < nbytes; ++i) {
        std::memcpy(mapping.at(shm::request_ring.start + (position + i) % shm::ring_nbytes), data + i, 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    if (nbytes < head_nbytes) return 0;
    std::uint16_t before = 0;
    std::uint64_t head = 0;
    std::memcpy(&before, data, sizeof before);
    std::memcpy(&head, data + sizeof before, sizeof head);
    data += head_nbytes;
    nbytes -= head_nbytes;

    const shm::MappedSegment control(shm::control_nbytes);
    const shm::Mapping& mapping = control.mapping;
    shm::RingWriter writer(mapping, shm::request_ring);
    shm::RingReader reader(mapping, shm::request_ring);
    pass(writer, reader, 8 * static_cast<std::uint64_t>(before));
    const std::uint64_t tail = mapping.word(shm::request_ring.tail).load();
    put(mapping, tail, data, std::min<std::size_t>(nbytes, shm::ring_nbytes));
    mapping.word(shm::request_ring.head).store(tail + head);

    std::string read;
    std::uint64_t count = 0;
    try {
        while (reader.read(read)) {
            require(read.size() >= shm::frame_header_nbytes && read.size() <= shm::ring_nbytes && read.size() % 8 == 0);
            require(read[4] != 0);
            require(++count <= shm::ring_nbytes / shm::frame_header_nbytes);
        }
    } catch (const tr::RemoteProtocolError& error) {
        require(error.code() == tr::detail::broken_ring);
    }
    static_cast<void>(reader.is_crowded());
    static_cast<void>(writer.has_room(nbytes));
    return 0;
}
