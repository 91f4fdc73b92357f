// TSR files: header and elements. They are written as a whole, and everything is checked before memory is allocated.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/shape.h"

namespace tr::detail {

// An error of the operating system.
class IoError : public FormatError {
public:
    explicit IoError(const std::system_error& error) : FormatError("io_error", error.what()), cause_(error.code()) {}

    const std::error_code& cause() const noexcept { return cause_; }

private:
    std::error_code cause_;
};

// Runs an operation on a file. Its errors name the file; those of the operating system are FormatError `io_error`.
template <class Action>
auto with_file_errors(const std::filesystem::path& path, Action&& action) {
    try {
        return action();
    } catch (const FormatError& error) {
        throw FormatError(error.code(), shown_path(path) + ": " + error.what(), error.offset());
    } catch (const std::system_error& error) {
        throw IoError(error);
    }
}

// A file may hold any nonzero byte for true, but a bool may not.
inline void normalise(DType dtype, void* elements, std::int64_t nbytes) {
    if (dtype != DType::BOOL) return;
    auto* bytes = static_cast<unsigned char*>(elements);
    std::transform(bytes, bytes + nbytes, bytes, [](unsigned char byte) { return byte == 0 ? 0 : 1; });
}

// An open TSR file whose header and length have been checked. Throws FormatError.
class TsrReader {
public:
    explicit TsrReader(const std::filesystem::path& path, Trust trust = Trust::full)
        : path_(path), file_(open(path, trust)), header_(read_header()) {}

    const TsrHeader& header() const noexcept { return header_; }

    // Reads the elements. REQUIRES: room for header().data_nbytes.
    void read(void* into) const {
        with_file_errors(path_, [&] {
            const std::size_t got =
                file_.read(header_.header_nbytes, into, static_cast<std::size_t>(header_.data_nbytes));
            // The file may have become shorter since it was opened.
            check_tsr_length(header_, static_cast<std::uint64_t>(header_.header_nbytes) + got);
        });
        normalise(header_.dtype, into, header_.data_nbytes);
    }

private:
    static InputFile open(const std::filesystem::path& path, Trust trust) {
        return with_file_errors(path, [&] { return InputFile(path, trust); });
    }

    TsrHeader read_header() const {
        return with_file_errors(path_, [&] {
            std::array<unsigned char, tsr_max_header_nbytes> bytes;
            const TsrHeader header = read_tsr_header(bytes.data(), file_.read(0, bytes.data(), bytes.size()));
            check_tsr_length(header, file_.length());
            return header;
        });
    }

    std::filesystem::path path_;
    InputFile file_;
    TsrHeader header_;
};

// Throws FormatError `io_error`; the file is then unchanged, and nothing else is left behind.
inline void write_tsr_file(const std::filesystem::path& path, DType dtype, const Shape& shape, const void* elements) {
    const TsrHeaderBytes header = write_tsr_header(dtype, shape);
    const auto nbytes = static_cast<std::size_t>(shape.nbytes(dtype_info(dtype).nbytes));
    with_file_errors(path, [&] { write_file(path, {{header.bytes.data(), header.nbytes}, {elements, nbytes}}); });
}

}  // namespace tr::detail
