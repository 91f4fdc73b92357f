// Tensors as bytes and files. What each defect is called is checked with spec/vectors/tsr, by guest_tsr.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "tech_renaissance/tensor.h"
#include "tech_renaissance/tsr.h"
#include "temporary_directory.h"

namespace {

using namespace tr;
namespace fs = std::filesystem;

std::vector<std::byte> read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

void write(const fs::path& path, const void* data, std::size_t nbytes) {
    std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(nbytes));
}

std::size_t file_count(const TemporaryDirectory& folder) {
    const fs::directory_iterator files(folder / "");
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

const Tensor example = Tensor::from_vector(std::vector<float>{1, 2, 3, 4, 5, 6}, Shape(2, 3));

TEST("the specification's worked example is encoded byte by byte") {
    const std::array<std::uint32_t, 22> words = {
        0x21525354, 1,          64,         0,          1,          2,         1, 1,
        2,          3,          6,          0,          0,          0,         0, 0,  // the header
        0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000, 0x40c00000};
    const std::vector<std::byte> bytes = encode(example);
    CHECK_EQ(sizeof words, bytes.size());
    CHECK(std::memcmp(words.data(), bytes.data(), sizeof words) == 0);
}

TEST("version 1 is written for FP32, INT8 and INT32 of up to 4 dimensions below 2^31") {
    const auto version = [](const Tensor& tensor) {
        const std::vector<std::byte> bytes = encode(tensor);
        return read_header(bytes.data(), bytes.size()).version;
    };
    CHECK_EQ(1, version(Tensor::zeros(Shape(1, 1, 1, 1), DType::INT32)));
    CHECK_EQ(1, version(Tensor::zeros(Shape(), DType::INT8)));
    CHECK_EQ(1, version(Tensor::zeros(Shape(0x7fffffff, 0))));
    CHECK_EQ(2, version(Tensor::zeros(Shape(0x80000000, 0))));
    CHECK_EQ(2, version(Tensor::zeros(Shape(1, 1, 1, 1, 1))));
    CHECK_EQ(2, version(Tensor::zeros(Shape(1), DType::FP16)));
}

TEST("a tensor of every dtype and number of dimensions is itself after a round trip") {
    const std::vector<Shape> shapes = {Shape(),        Shape(0),       Shape(3),
                                       Shape(2, 0, 3), Shape(2, 1, 2), Shape(1, 2, 1, 2, 1, 2, 1, 2)};
    for (const DTypeInfo& info : DTYPES)
        for (const Shape& shape : shapes) {
            const Tensor tensor = Tensor::randint(shape, 0, 3, 1, info.dtype);
            const std::vector<std::byte> bytes = encode(tensor);
            CHECK_EQ(tensor, decode(bytes.data(), bytes.size()));
        }
}

TEST("decoded elements are a copy, aligned to 64 bytes") {
    std::vector<std::byte> bytes = encode(example);
    const Tensor tensor = decode(bytes.data(), bytes.size());
    bytes[64] = std::byte{0xff};
    CHECK_EQ(example, tensor);
    CHECK_EQ(0, reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % 64);
}

TEST("a header says what follows without the elements being there") {
    const std::vector<std::byte> bytes = encode(Tensor::zeros(Shape(5, 7), DType::FP64));
    const TsrHeader header = read_header(bytes.data(), 128);
    CHECK_EQ(2, header.version);
    CHECK_EQ(DType::FP64, header.dtype);
    CHECK_EQ(Shape(5, 7), header.shape);
    CHECK_EQ(128, header.header_nbytes);
    CHECK_EQ(280, header.data_nbytes);
}

TEST("a tensor cut short anywhere is refused, and so is one byte too many") {
    std::vector<std::byte> bytes = encode(example);
    for (std::size_t nbytes = 0; nbytes < 64; ++nbytes)
        CHECK_THROWS(FormatError, "short_header", decode(bytes.data(), nbytes));
    for (std::size_t nbytes = 64; nbytes < 88; ++nbytes)
        CHECK_THROWS(FormatError, "short_data", decode(bytes.data(), nbytes));
    bytes.push_back(std::byte{0});
    CHECK_THROWS(FormatError, "trailing_bytes", decode(bytes.data(), bytes.size()));
}

TEST("an error names its code and the byte at which the defect stands") {
    try {
        decode(encode(example).data(), 80);
        CHECK(false);
    } catch (const FormatError& error) {
        CHECK_EQ("short_data", error.code());
        CHECK_EQ(80, error.offset());
    }
}

TEST("a header that claims more than the file holds is refused before anything is allocated") {
    const detail::TsrHeaderBytes header = detail::write_tsr_header(DType::INT8, Shape(std::int64_t{1} << 62));
    CHECK_THROWS(FormatError, "short_data", decode(header.bytes.data(), header.nbytes));
    const TemporaryDirectory folder;
    write(folder / "huge.tsr", header.bytes.data(), header.nbytes);
    CHECK_THROWS(FormatError, "short_data", Tensor::load(folder / "huge.tsr"));
}

TEST("any byte but 0 of a BOOL tensor is read as 1") {
    std::vector<std::byte> bytes = encode(Tensor::from_vector(std::vector<bool>{true, false}, Shape(2)));
    bytes[128] = std::byte{0x80};
    const Tensor tensor = decode(bytes.data(), bytes.size());
    CHECK_EQ(1, *static_cast<const unsigned char*>(tensor.data_ptr()));
    CHECK_EQ(true, tensor.data<bool>()[0]);
}

// ---- Files

TEST("a saved tensor is loaded as itself, and its file holds what encode gives") {
    const TemporaryDirectory folder;
    const fs::path path = folder / "a.tsr";
    example.save(path);
    CHECK(encode(example) == read(path));
    CHECK_EQ(example, Tensor::load(path));
    CHECK_EQ(Shape(2, 3), tsr_info(path).shape);
}

TEST("a path may be UTF-8 text") {
    const TemporaryDirectory folder;
    const std::string path = folder.path() + "/\xe5\xbc\xa0\xe9\x87\x8f.tsr";
    example.save(path);
    CHECK_EQ(example, Tensor::load(path.c_str()));
    CHECK(fs::exists(fs::u8path(path)));
}

TEST("saving replaces a file and leaves no other") {
    const TemporaryDirectory folder;
    Tensor::zeros(Shape(1000)).save(folder / "a.tsr");
    example.save(folder / "a.tsr");
    CHECK_EQ(example, Tensor::load(folder / "a.tsr"));
    CHECK_EQ(1, file_count(folder));
}

TEST("saving that fails leaves nothing behind") {
    const TemporaryDirectory folder;
    fs::create_directory(folder / "a.tsr");
    CHECK_THROWS(FormatError, "io_error", example.save(folder / "a.tsr"));
    CHECK_THROWS(FormatError, "io_error", example.save(folder / "missing" / "b.tsr"));
    CHECK_EQ(1, file_count(folder));
}

TEST("a reader meets the old tensor or the new one, whole, while others write") {
    const TemporaryDirectory folder;
    const fs::path path = folder / "a.tsr";
    const auto writer = [&](int value) {
        return std::thread([&path, value] {
            for (int i = 0; i < 100; ++i) Tensor::full(Shape(value, 1000), value).save(path);
        });
    };
    Tensor::full(Shape(1, 1000), 1).save(path);
    std::thread first = writer(1);
    std::thread second = writer(2);
    for (int i = 0; i < 200; ++i) {
        const Tensor tensor = Tensor::load(path);
        CHECK_EQ(Tensor::full(tensor.shape(), tensor.height()), tensor);
    }
    first.join();
    second.join();
    CHECK_EQ(1, file_count(folder));
}

TEST("what is no file is the operating system's error") {
    const TemporaryDirectory folder;
    CHECK_THROWS(FormatError, "io_error", Tensor::load(folder / "missing.tsr"));
    CHECK_THROWS(FormatError, "io_error", Tensor::load(folder.path()));
    CHECK_THROWS(FormatError, "io_error", tsr_info(folder / "missing.tsr"));
}

TEST("a defect of a file names the file") {
    const TemporaryDirectory folder;
    write(folder / "a.tsr", "TSR", 3);
    try {
        Tensor::load(folder / "a.tsr");
        CHECK(false);
    } catch (const FormatError& error) {
        CHECK_EQ("short_header", error.code());
        CHECK(std::string(error.what()).find("a.tsr: ") != std::string::npos);
        CHECK_EQ(3, error.offset());
    }
}

TEST("an io_error names the file and the reason") {
    const TemporaryDirectory folder;
    try {
        Tensor::load(folder / "missing.tsr");
        CHECK(false);
    } catch (const FormatError& error) {
        const std::string message = error.what();
        CHECK(message.find("missing.tsr: ") != std::string::npos);
        CHECK_EQ(-1, error.offset());
    }
}

}  // namespace
