// Tensors as TSR bytes (spec/tsr.md). Tensor::save and Tensor::load write and read them as files.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "tech_renaissance/detail/protocol/tsr_file.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/system/path_argument.h"
#include "tech_renaissance/tensor.h"

namespace tr {

// A tensor as the bytes of a TSR file.
inline std::vector<std::byte> encode(const Tensor& tensor) {
    const detail::TsrHeaderBytes header = detail::write_tsr_header(tensor.dtype(), tensor.shape());
    std::vector<std::byte> bytes(header.nbytes + tensor.memory_size());
    std::memcpy(bytes.data(), header.bytes.data(), header.nbytes);
    tensor.to_cpu_data(bytes.data() + header.nbytes, tensor.memory_size());
    return bytes;
}

// The header at the beginning of TSR bytes; the elements may be missing. Throws FormatError.
inline TsrHeader read_header(const void* data, std::size_t nbytes) { return detail::read_tsr_header(data, nbytes); }

// A tensor with a copy of the elements in the bytes of a TSR file. Throws FormatError.
inline Tensor decode(const void* data, std::size_t nbytes) {
    const TsrHeader header = read_header(data, nbytes);
    detail::check_tsr_length(header, nbytes);
    Tensor tensor = Tensor::empty(header.shape, header.dtype);
    tensor.from_cpu_data(static_cast<const std::byte*>(data) + header.header_nbytes, tensor.memory_size());
    detail::normalise(header.dtype, tensor.data_ptr(), header.data_nbytes);
    return tensor;
}

// The header of a TSR file, read without the elements; errors as for Tensor::load.
inline TsrHeader tsr_info(const detail::PathArgument& path) { return detail::TsrReader(path.get()).header(); }

}  // namespace tr
