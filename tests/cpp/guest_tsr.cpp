// The C++ guest of spec/vectors/tsr: for each path of its arguments, one line of JSON that says what the file means.
//
//     {"ok": {"version": 1, "dtype": "FP32", "shape": [2, 3], "data": "<hex>"}, "encoded": "<hex of writing it again>"}
//     {"error": {"code": "bad_magic", "offset": 0, "text": "what the error says"}}
//
// Every file is read twice, as a file and as bytes in memory; the guest exits with status 1 if the two differ.
#include <cstddef>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tech_renaissance/tsr.h"

namespace {

std::string hex(const void* data, std::size_t nbytes) {
    static const char digits[] = "0123456789abcdef";
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::string text;
    for (std::size_t i = 0; i < nbytes; ++i) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

std::string join(const tr::Shape& shape) {
    std::string text;
    for (const std::int64_t dim : shape) text += (text.empty() ? "" : ", ") + std::to_string(dim);
    return text;
}

std::string describe(const tr::TsrHeader& header, const tr::Tensor& tensor) {
    const std::vector<std::byte> encoded = tr::encode(tensor);
    std::ostringstream out;
    out << R"({"ok": {"version": )" << header.version << R"(, "dtype": ")" << tensor.dtype() << R"(", "shape": [)"
        << join(tensor.shape()) << R"(], "data": ")" << hex(tensor.data_ptr(), tensor.memory_size())
        << R"("}, "encoded": ")" << hex(encoded.data(), encoded.size()) << R"("})";
    return out.str();
}

// origin: what an error begins with, and is left out.
template <class Read>
std::string meaning(Read read, const std::string& origin = "") {
    try {
        return read();
    } catch (const tr::FormatError& error) {
        const std::string text = error.what();
        return R"({"error": {"code": ")" + error.code() + R"(", "offset": )" + std::to_string(error.offset()) +
               R"(, "text": ")" + (text.rfind(origin, 0) == 0 ? text.substr(origin.size()) : text) + R"("}})";
    }
}

std::string meaning_of_bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return meaning(
        [&] { return describe(tr::read_header(bytes.data(), bytes.size()), tr::decode(bytes.data(), bytes.size())); });
}

std::string meaning_of_file(const std::string& path) {
    return meaning([&] { return describe(tr::tsr_info(path), tr::Tensor::load(path)); }, path + ": ");
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    for (const std::string& path : std::vector<std::string>(argv + 1, argv + argc)) {
        const std::string in_memory = meaning_of_bytes(path);
        std::cout << in_memory << "\n";
        if (in_memory != meaning_of_file(path)) status = 1;
    }
    return status;
}
