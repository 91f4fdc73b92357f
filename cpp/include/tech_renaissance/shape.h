// The dimensions of a tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <string>
#include <type_traits>
#include <vector>

#include "tech_renaissance/error.h"

namespace tr {

// 0 to 8 dimensions of 64 bits in C order, the last one fastest. A value: only assignment changes it.
//
// Shape(4, 3), Shape{4, 3} and Shape({4, 3}) all mean 4 rows of 3; Shape() is the shape of a scalar. Every constructor
// throws TensorError `bad_shape` for more than 8 dimensions, a negative one, or if the product of the nonzero ones
// exceeds 2^63-1.
class Shape {
public:
    static constexpr int max_ndim = 8;

    Shape() = default;

    // (0): one dimension, no elements.
    static Shape empty() noexcept {
        Shape shape;
        shape.ndim_ = 1;
        shape.is_empty_ = true;
        return shape;
    }

    template <class... Ints, std::enable_if_t<(sizeof...(Ints) > 0) && (std::is_integral_v<Ints> && ...), int> = 0>
    Shape(Ints... dims) : Shape({static_cast<std::int64_t>(dims)...}) {}

    template <class Int, std::enable_if_t<std::is_integral_v<Int>, int> = 0>
    Shape(std::initializer_list<Int> dims) : Shape(dims.begin(), dims.end()) {}

    explicit Shape(const std::vector<std::int64_t>& dims) : Shape(dims.data(), dims.data() + dims.size()) {}

    int ndim() const noexcept { return ndim_; }
    // The product of the dimensions; 1 for a scalar.
    std::int64_t numel() const noexcept { return is_empty_ ? 0 : product_; }

    // The length of dimension i; a negative i counts from the last. Throws TensorError `bad_index`.
    std::int64_t dim(int i) const {
        const int index = i < 0 ? i + ndim_ : i;
        if (index < 0 || index >= ndim_)
            throw TensorError("bad_index", "there is no dimension " + std::to_string(i) + " in shape " + to_string());
        return dims_[static_cast<std::size_t>(index)];
    }
    std::int64_t operator[](int i) const { return dim(i); }

    // The last four dimensions by name; 1 where there are fewer.
    std::int64_t n() const noexcept { return from_last(4); }
    std::int64_t c() const noexcept { return from_last(3); }
    std::int64_t h() const noexcept { return from_last(2); }
    std::int64_t w() const noexcept { return from_last(1); }
    std::int64_t batch() const noexcept { return n(); }
    std::int64_t channel() const noexcept { return c(); }
    std::int64_t height() const noexcept { return h(); }
    std::int64_t width() const noexcept { return w(); }

    // The size of all elements in bytes. Throws TensorError `bad_shape` if it would exceed 2^63-1 without the
    // dimensions of 0.
    std::int64_t nbytes(std::size_t element_nbytes) const {
        const std::int64_t element = static_cast<std::int64_t>(element_nbytes);
        if (element > max_product / product_) throw_bad(begin(), end(), "has more than 2^63-1 bytes");
        return numel() * element;
    }

    const std::int64_t* begin() const noexcept { return dims_.data(); }
    const std::int64_t* end() const noexcept { return dims_.data() + ndim_; }

    // "(4, 3)"
    std::string to_string() const { return join(begin(), end()); }

    friend bool operator==(const Shape& a, const Shape& b) noexcept {
        return std::equal(a.begin(), a.end(), b.begin(), b.end());
    }
    friend bool operator!=(const Shape& a, const Shape& b) noexcept { return !(a == b); }
    friend std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.to_string(); }

private:
    static constexpr std::int64_t max_product = std::numeric_limits<std::int64_t>::max();

    template <class Int>
    Shape(const Int* first, const Int* last) {
        if (last - first > max_ndim) throw_bad(first, last, "has more than 8 dimensions");
        ndim_ = static_cast<int>(last - first);
        std::transform(first, last, dims_.begin(), [](auto dim) { return static_cast<std::int64_t>(dim); });
        product_ = checked_product();
        is_empty_ = std::find(begin(), end(), 0) != end();
    }

    std::int64_t from_last(int place) const noexcept {
        return place > ndim_ ? 1 : dims_[static_cast<std::size_t>(ndim_ - place)];
    }

    // Leaves out dimensions of 0, because strides must fit even if there are no elements.
    std::int64_t checked_product() const {
        std::int64_t product = 1;
        for (const std::int64_t dim : *this)
            if (dim < 0) throw_bad(begin(), end(), "has a negative dimension");
        for (const std::int64_t dim : *this) {
            if (dim > max_product / product) throw_bad(begin(), end(), "has more than 2^63-1 elements");
            product *= std::max<std::int64_t>(dim, 1);
        }
        return product;
    }

    template <class Int>
    static std::string join(const Int* first, const Int* last) {
        std::string text = "(";
        for (const Int* it = first; it != last; ++it) text += (it == first ? "" : ", ") + std::to_string(*it);
        return text + ")";
    }

    template <class Int>
    [[noreturn]] static void throw_bad(const Int* first, const Int* last, const std::string& why) {
        throw TensorError("bad_shape", "shape " + join(first, last) + " " + why);
    }

    std::array<std::int64_t, max_ndim> dims_{};
    int ndim_ = 0;
    std::int64_t product_ = 1;  // of the nonzero dimensions
    bool is_empty_ = false;
};

}  // namespace tr
