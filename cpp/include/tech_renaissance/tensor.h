// Tensors: typed memory with a shape.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/dtype_convert.h"
#include "tech_renaissance/detail/system/path_argument.h"
#include "tech_renaissance/device.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/shape.h"

namespace tr {

// A dense array in C order (last dimension fastest). Memory that Tensor allocates is aligned to 64 bytes.
//
// Ownership: as in PyTorch, copies of a Tensor share the memory, which lives as long as any of them; `clone` copies the
// memory. `const` protects the dtype, the shape and which memory is used, but not the elements.
//
// Thread-safety: that of std::shared_ptr and plain memory. Copies of a tensor may be made, used and destroyed by
// several threads; assigning to a shared Tensor object and writing elements need the callers' own synchronisation.
//
// Errors: TensorError and std::bad_alloc. Every factory throws `bad_device` for a device other than the CPU,
// `bad_shape` if shapes, counts or sizes do not fit, `bad_dtype` if a value cannot become an element. A failed
// operation changes nothing.
class Tensor {
public:
    // An empty tensor: no elements, shape (0), FP32.
    Tensor() noexcept : shape_(Shape::empty()) {}
    Tensor(const Tensor&) = default;
    Tensor& operator=(const Tensor&) = default;
    // Leaves `other` an empty tensor.
    Tensor(Tensor&& other) noexcept : Tensor() { swap(other); }
    Tensor& operator=(Tensor&& other) noexcept {
        Tensor(std::move(other)).swap(*this);
        return *this;
    }
    ~Tensor() = default;

    // The elements are not initialised.
    static Tensor empty(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    static Tensor zeros(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    static Tensor ones(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);

    template <class T>
    static Tensor full(const Shape& shape, T value, DType dtype = DType::FP32, Device device = CPU) {
        return generate(shape, dtype, device, [&] { return value; });
    }

    // Normally distributed, mean 0, variance 1. Floating-point dtypes only (`bad_dtype`). Here and below, the same seed
    // gives the same numbers on every platform.
    static Tensor randn(const Shape& shape, std::uint64_t seed = 0, DType dtype = DType::FP32, Device device = CPU);

    // Evenly distributed from low to high. Floating-point dtypes only (`bad_dtype`).
    static Tensor uniform(const Shape& shape, double low = 0, double high = 1, std::uint64_t seed = 0,
                          DType dtype = DType::FP32, Device device = CPU);

    // Integers from low to high - 1, all equally likely. TensorError `bad_shape` unless low < high.
    static Tensor randint(const Shape& shape, std::int64_t low, std::int64_t high, std::uint64_t seed = 0,
                          DType dtype = DType::FP32, Device device = CPU);

    // A copy of the values, which are in C order. The dtype is T's own unless another is given.
    template <class T>
    static Tensor from_vector(const std::vector<T>& values, const Shape& shape, DType dtype = dtype_of<T>(),
                              Device device = CPU) {
        require_count(static_cast<std::int64_t>(values.size()), shape);
        auto next = values.begin();
        return generate(shape, dtype, device, [&] { return static_cast<T>(*next++); });
    }

    // Borrows memory: `data` holds the elements in C order and must outlive every copy of the tensor.
    static Tensor from_blob(void* data, const Shape& shape, DType dtype = DType::FP32, Device device = CPU);

    // Uses memory that belongs to `owner`, which is kept alive by every copy of the tensor. `data` need not be what
    // `owner` points to. REQUIRES: data is aligned for the dtype's elements.
    static Tensor from_storage(const std::shared_ptr<void>& owner, void* data, const Shape& shape, DType dtype);

    const Shape& shape() const noexcept { return shape_; }
    DType dtype() const noexcept { return dtype_; }
    Device device() const noexcept { return CPU; }
    int ndim() const noexcept { return shape_.ndim(); }
    std::int64_t numel() const noexcept { return shape_.numel(); }
    bool is_empty() const noexcept { return numel() == 0; }
    // The size of the elements in bytes.
    std::size_t memory_size() const noexcept { return nbytes_; }

    // Like the functions of Shape: a negative i counts from the last; the last four dimensions also by name.
    std::int64_t dim_size(int i) const { return shape_.dim(i); }
    std::int64_t batch() const noexcept { return shape_.batch(); }
    std::int64_t channel() const noexcept { return shape_.channel(); }
    std::int64_t height() const noexcept { return shape_.height(); }
    std::int64_t width() const noexcept { return shape_.width(); }

    // The elements; may be null if there are none.
    void* data_ptr() const noexcept { return memory_.get(); }

    // The elements as a typed pointer: T must be the type of the dtype, else TensorError `bad_dtype`.
    template <class T>
    T* data() const {
        require_dtype(dtype_of<T>());
        return static_cast<T*>(data_ptr());
    }

    // The only element, converted like those of `to_vector`. TensorError `bad_shape` unless there is exactly one.
    template <class T>
    T item() const {
        require_one_element();
        T value{};
        visit([&](const auto* elements) { value = detail::convert<T>(*elements); });
        return value;
    }

    // The elements in C order, converted to T: fractions are cut off for an integer, nonzero becomes true. TensorError
    // `bad_dtype` if T cannot hold an element: a number beyond an integer's range, NaN as an integer, complex as real.
    template <class T>
    std::vector<T> to_vector() const {
        std::vector<T> values(static_cast<std::size_t>(numel()));
        visit([&](const auto* elements) {
            std::transform(elements, elements + numel(), values.begin(), [](auto x) { return detail::convert<T>(x); });
        });
        return values;
    }

    // Copies all elements in or out. TensorError `bad_shape` unless nbytes is memory_size().
    void from_cpu_data(const void* data, std::size_t nbytes);
    void to_cpu_data(void* data, std::size_t nbytes) const;

    // The same memory in another shape with as many elements. One dimension of the list may be -1, to be worked out.
    Tensor reshape(const Shape& shape) const;
    Tensor reshape(std::initializer_list<std::int64_t> dims) const;

    // A copy in memory of its own.
    Tensor clone() const;

    // Whether |a - b| <= atol + rtol * |b| for every element a of this and b of the other. Infinities are close to
    // themselves, NaN to NaN only if asked for. Compared as doubles: the dtypes may differ, the shapes may not
    // (`bad_shape`).
    bool is_close(const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false) const;

    // Same dtype, shape and values; NaN differs from itself.
    friend bool operator==(const Tensor& a, const Tensor& b) { return a.is_equal(b); }
    friend bool operator!=(const Tensor& a, const Tensor& b) { return !(a == b); }

    // The text that PyTorch prints, e.g. `tensor([1.5000, 2.0000])`. REQUIRES: precision >= 0.
    std::string to_string(int precision = 4) const;
    friend std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << tensor.to_string(); }

    // Prints the name and a colon on a line of its own (unless the name is empty), then the text and a newline.
    void print(const std::string& name = "", int precision = 4) const;

    // Writes and reads a TSR file; the path is UTF-8 or a std::filesystem::path. A reader sees either the whole old
    // file or the whole new one; if `save` fails, nothing is left behind. FormatError: `io_error` for errors of the
    // operating system, else what is wrong with the file.
    void save(const detail::PathArgument& path) const;
    static Tensor load(const detail::PathArgument& path);

private:
    void swap(Tensor& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(shape_, other.shape_);
        std::swap(nbytes_, other.nbytes_);
        std::swap(dtype_, other.dtype_);
    }

    bool is_equal(const Tensor& other) const;

    static void require_cpu(Device device);
    static void require_float(DType dtype);
    static void require_count(std::int64_t count, const Shape& shape);
    void require_nbytes(std::size_t nbytes) const;
    void require_dtype(DType dtype) const;
    void require_one_element() const;

    // A tensor whose elements are what `next` returns, one per call.
    template <class Next>
    static Tensor generate(const Shape& shape, DType dtype, Device device, Next next) {
        const Tensor tensor = empty(shape, dtype, device);
        tensor.visit([&](auto* elements) {
            using T = std::remove_pointer_t<decltype(elements)>;
            for (std::int64_t i = 0; i < shape.numel(); ++i) elements[i] = detail::convert<T>(next());
        });
        return tensor;
    }

    // Calls `action` with a typed pointer to the elements.
    template <class Action>
    void visit(Action&& action) const {
        detail::visit_dtype(dtype_,
                            [&](auto element) { action(static_cast<typename decltype(element)::type*>(data_ptr())); });
    }

    std::shared_ptr<void> memory_;
    Shape shape_;
    std::size_t nbytes_ = 0;
    DType dtype_ = DType::FP32;
};

}  // namespace tr

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/tensor.h"
#endif
