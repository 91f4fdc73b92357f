// The members of Tensor that are not templates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/random.h"
#include "tech_renaissance/detail/base/tensor_compare.h"
#include "tech_renaissance/detail/protocol/tsr_file.h"
#include "tech_renaissance/detail/system/path_argument.h"
#include "tech_renaissance/device.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/shape.h"
#include "tech_renaissance/tensor.h"
#include "tech_renaissance/tensor_print.h"

namespace tr {

TR_INLINE Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
    require_cpu(device);
    constexpr std::align_val_t alignment{64};
    const auto nbytes = static_cast<std::size_t>(shape.nbytes(dtype_info(dtype).nbytes));
    const std::shared_ptr<void> memory(::operator new(nbytes, alignment),
                                       [](void* p) { ::operator delete(p, alignment); });
    return from_storage(memory, memory.get(), shape, dtype);
}

TR_INLINE Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
    const Tensor tensor = empty(shape, dtype, device);
    std::memset(tensor.data_ptr(), 0, tensor.memory_size());
    return tensor;
}

TR_INLINE Tensor Tensor::ones(const Shape& shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }

TR_INLINE Tensor Tensor::randn(const Shape& shape, std::uint64_t seed, DType dtype, Device device) {
    require_float(dtype);
    detail::Random random(seed);
    return generate(shape, dtype, device, [&] { return random.normal(); });
}

TR_INLINE Tensor Tensor::uniform(const Shape& shape, double low, double high, std::uint64_t seed, DType dtype,
                                 Device device) {
    require_float(dtype);
    detail::Random random(seed);
    return generate(shape, dtype, device, [&] { return random.uniform(low, high); });
}

TR_INLINE Tensor Tensor::randint(const Shape& shape, std::int64_t low, std::int64_t high, std::uint64_t seed,
                                 DType dtype, Device device) {
    if (low >= high) throw TensorError("bad_shape", "randint needs low < high");
    detail::Random random(seed);
    return generate(shape, dtype, device, [&] { return random.integer(low, high); });
}

TR_INLINE Tensor Tensor::from_blob(void* data, const Shape& shape, DType dtype, Device device) {
    require_cpu(device);
    return from_storage(nullptr, data, shape, dtype);
}

TR_INLINE Tensor Tensor::from_storage(const std::shared_ptr<void>& owner, void* data, const Shape& shape, DType dtype) {
    Tensor tensor;
    tensor.nbytes_ = static_cast<std::size_t>(shape.nbytes(dtype_info(dtype).nbytes));
    tensor.memory_ = std::shared_ptr<void>(owner, data);
    tensor.shape_ = shape;
    tensor.dtype_ = dtype;
    return tensor;
}

TR_INLINE void Tensor::from_cpu_data(const void* data, std::size_t nbytes) {
    require_nbytes(nbytes);
    if (nbytes > 0) std::memcpy(data_ptr(), data, nbytes);
}

TR_INLINE void Tensor::to_cpu_data(void* data, std::size_t nbytes) const {
    require_nbytes(nbytes);
    if (nbytes > 0) std::memcpy(data, data_ptr(), nbytes);
}

TR_INLINE Tensor Tensor::reshape(const Shape& shape) const {
    require_count(numel(), shape);
    Tensor tensor = *this;
    tensor.shape_ = shape;
    return tensor;
}

TR_INLINE Tensor Tensor::reshape(std::initializer_list<std::int64_t> list) const {
    std::vector<std::int64_t> dims = list;
    const auto unknown = std::find(dims.begin(), dims.end(), -1);
    if (unknown == dims.end()) return reshape(Shape(dims));
    *unknown = 1;
    const std::int64_t known = Shape(dims).numel();
    *unknown = known == 0 ? -1 : numel() / known;
    return reshape(Shape(dims));
}

TR_INLINE Tensor Tensor::clone() const {
    Tensor copy = empty(shape_, dtype_);
    copy.from_cpu_data(data_ptr(), nbytes_);
    return copy;
}

TR_INLINE bool Tensor::is_close(const Tensor& other, double rtol, double atol, bool equal_nan) const {
    if (shape_ != other.shape_)
        throw TensorError("bad_shape",
                          "cannot compare shapes " + shape_.to_string() + " and " + other.shape_.to_string());
    const detail::Elements a{data_ptr(), dtype_};
    const detail::Elements b{other.data_ptr(), other.dtype_};
    return detail::all_close(a, b, numel(), {rtol, atol, equal_nan});
}

TR_INLINE bool Tensor::is_equal(const Tensor& other) const {
    return dtype_ == other.dtype_ && shape_ == other.shape_ &&
           detail::all_equal(data_ptr(), other.data_ptr(), dtype_, numel());
}

TR_INLINE std::string Tensor::to_string(int precision) const {
    return format_tensor(data_ptr(), dtype_, shape_, precision);
}

TR_INLINE void Tensor::print(const std::string& name, int precision) const {
    if (!name.empty()) std::cout << name << ":\n";
    std::cout << to_string(precision) << "\n" << std::flush;
}

TR_INLINE void Tensor::save(const detail::PathArgument& path) const {
    detail::write_tsr_file(path.get(), dtype_, shape_, data_ptr());
}

TR_INLINE Tensor Tensor::load(const detail::PathArgument& path) {
    const detail::TsrReader file(path.get());
    Tensor tensor = empty(file.header().shape, file.header().dtype);
    file.read(tensor.data_ptr());
    return tensor;
}

TR_INLINE void Tensor::require_cpu(Device device) {
    if (device != CPU) throw TensorError("bad_device", "there is no device " + device.to_string());
}

TR_INLINE void Tensor::require_float(DType dtype) {
    if (dtype_info(dtype).kind != DTypeKind::Float)
        throw TensorError("bad_dtype", "not a floating-point dtype: " + tr::to_string(dtype));
}

TR_INLINE void Tensor::require_count(std::int64_t count, const Shape& shape) {
    if (count != shape.numel())
        throw TensorError("bad_shape", std::to_string(count) + " elements do not fit shape " + shape.to_string());
}

TR_INLINE void Tensor::require_nbytes(std::size_t nbytes) const {
    if (nbytes != nbytes_)
        throw TensorError("bad_shape", std::to_string(nbytes) + " bytes for a tensor of " + std::to_string(nbytes_));
}

TR_INLINE void Tensor::require_dtype(DType dtype) const {
    if (dtype != dtype_)
        throw TensorError("bad_dtype", "the elements are " + tr::to_string(dtype_) + ", not " + tr::to_string(dtype));
}

TR_INLINE void Tensor::require_one_element() const {
    if (numel() != 1)
        throw TensorError("bad_shape", "item needs one element, and shape " + shape_.to_string() + " has others");
}

}  // namespace tr
