// dtypes, shapes and tensors in memory.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "check.h"
#include "tech_renaissance/tensor.h"

namespace {

using namespace tr;

constexpr std::int64_t int64_max = std::numeric_limits<std::int64_t>::max();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

Tensor floats(const std::vector<float>& values) { return Tensor::from_vector(values, Shape(values.size())); }

template <class T>
float rounded(float value) {
    return T(value);
}

// ---- DType

TEST("a dtype has the code, name and size of the TSR table") {
    CHECK_EQ(1, static_cast<int>(DType::FP32));
    CHECK_EQ(17, static_cast<int>(DType::FP8_E5M2));
    CHECK_EQ("BF16", to_string(DType::BF16));
    CHECK_EQ(16, dtype_info(DType::COMPLEX128).nbytes);
    for (std::int32_t code = 1; code <= 17; ++code) CHECK_EQ(code, static_cast<int>(find_dtype(code)->dtype));
}

TEST("a code that is no dtype is refused") {
    CHECK(find_dtype(0) == nullptr);
    CHECK(find_dtype(18) == nullptr);
    CHECK_THROWS(TensorError, "bad_dtype", to_string(static_cast<DType>(0)));
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::zeros(Shape(1), static_cast<DType>(99)));
}

TEST("every C++ element type has the dtype of its size and kind") {
    CHECK_EQ(DType::INT64, dtype_of<long long>());
    CHECK_EQ(DType::UINT64, dtype_of<std::uint64_t>());
    CHECK_EQ(DType::BOOL, dtype_of<bool>());
    CHECK_EQ(DType::COMPLEX64, dtype_of<std::complex<float>>());
    CHECK_EQ(DType::FP16, dtype_of<Half>());
    CHECK_EQ(DType::FP8_E4M3, dtype_of<Float8E4M3>());
}

TEST("a visitor sees an element type of the dtype's size") {
    for (const DTypeInfo& info : DTYPES)
        CHECK_EQ(info.nbytes,
                 detail::visit_dtype(info.dtype, [](auto e) { return sizeof(typename decltype(e)::type); }));
}

TEST("small floats round to nearest, ties to even") {
    CHECK_EQ(2048.0f, rounded<Half>(2049));
    CHECK_EQ(2052.0f, rounded<Half>(2051));
    CHECK_EQ(1.0f, rounded<BFloat16>(1.00390625f));
    CHECK_EQ(1.015625f, rounded<BFloat16>(1.01171875f));
    CHECK_EQ(16.0f, rounded<Float8E4M3>(17));
    CHECK_EQ(8.0f, rounded<Float8E5M2>(9));
}

TEST("small floats keep zeros of both signs, infinities and NaN") {
    CHECK(std::signbit(rounded<Half>(-0.0f)));
    CHECK_EQ(-infinity, rounded<BFloat16>(-infinity));
    CHECK_EQ(infinity, rounded<Float8E5M2>(infinity));
    CHECK(std::isnan(rounded<Half>(nan)));
    CHECK(std::isnan(rounded<BFloat16>(nan)));
    CHECK(std::isnan(rounded<Float8E4M3>(nan)));
    CHECK(std::isnan(rounded<Float8E5M2>(nan)));
}

TEST("small floats become infinite beyond their range, without infinity the largest number") {
    CHECK_EQ(65504.0f, rounded<Half>(65519));
    CHECK_EQ(infinity, rounded<Half>(65520));
    CHECK_EQ(-infinity, rounded<Float8E5M2>(-1e6f));
    CHECK_EQ(448.0f, rounded<Float8E4M3>(1e6f));
    CHECK_EQ(-448.0f, rounded<Float8E4M3>(-infinity));
}

TEST("small floats have subnormals") {
    CHECK_EQ(0x1p-24f, rounded<Half>(0x1p-24f));
    CHECK_EQ(0.0f, rounded<Half>(0x1p-25f));
    CHECK_EQ(0x1p-24f, rounded<Half>(0x1.8p-25f));
    CHECK_EQ(0x1p-9f, rounded<Float8E4M3>(0x1p-9f));
    CHECK_EQ(0x1p-133f, rounded<BFloat16>(0x1p-133f));
    CHECK_EQ(0x1p-14f, rounded<Half>(0x1.fffffep-15f));
}

template <class T>
void check_every_code(std::uint32_t codes) {
    for (std::uint32_t code = 0; code < codes; ++code) {
        T value;
        value.bits = static_cast<decltype(value.bits)>(code);
        if (!std::isnan(static_cast<float>(value))) CHECK_EQ(code, T(static_cast<float>(value)).bits);
    }
}

TEST("every small float is itself after a round trip through float") {
    check_every_code<Half>(65536);
    check_every_code<BFloat16>(65536);
    check_every_code<Float8E4M3>(256);
    check_every_code<Float8E5M2>(256);
}

// ---- Shape

TEST("a shape means the same in parentheses, in braces and as a list") {
    const std::size_t four = 4;
    CHECK_EQ(Shape(4, 3), (Shape{4, 3}));
    CHECK_EQ(Shape(4, 3), Shape({4, 3}));
    CHECK_EQ(Shape(4, 3), Shape(std::vector<std::int64_t>{4, 3}));
    CHECK_EQ(Shape(4, 3), (Shape{four, 3}));
    CHECK_EQ(1, Shape{7}.ndim());
    CHECK_EQ(7, Shape(7).numel());
}

TEST("a shape without dimensions is a scalar's") {
    CHECK_EQ(0, Shape().ndim());
    CHECK_EQ(1, Shape().numel());
    CHECK_EQ("()", Shape().to_string());
    CHECK(Shape() != Shape(1));
}

TEST("dimensions are named from the last, missing ones are 1") {
    const Shape full(2, 3, 4, 5);
    CHECK_EQ(2, full.n());
    CHECK_EQ(3, full.c());
    CHECK_EQ(4, full.h());
    CHECK_EQ(5, full.w());
    const Shape matrix(4, 3);
    CHECK_EQ(1, matrix.batch());
    CHECK_EQ(1, matrix.channel());
    CHECK_EQ(4, matrix.height());
    CHECK_EQ(3, matrix.width());
}

TEST("dimensions are counted from the first, or from the last with negative numbers") {
    const Shape shape(2, 3, 4);
    CHECK_EQ(2, shape[0]);
    CHECK_EQ(4, shape.dim(-1));
    CHECK_THROWS(TensorError, "bad_index", shape[3]);
    CHECK_THROWS(TensorError, "bad_index", shape[-4]);
    CHECK_THROWS(TensorError, "bad_index", Shape()[0]);
}

TEST("a shape prints as a tuple") {
    std::ostringstream out;
    out << Shape(4, 3) << Shape(0);
    CHECK_EQ("(4, 3)(0)", out.str());
}

TEST("a shape has at most 8 dimensions, none negative") {
    CHECK_EQ(8, Shape(1, 1, 1, 1, 1, 1, 1, 2).ndim());
    CHECK_THROWS(TensorError, "bad_shape", Shape(1, 1, 1, 1, 1, 1, 1, 1, 1));
    CHECK_THROWS(TensorError, "bad_shape", Shape(2, -1));
    CHECK_THROWS(TensorError, "bad_shape", Shape(std::numeric_limits<std::uint64_t>::max()));
}

TEST("a shape's product fits into 63 bits, dimensions of 0 left out") {
    CHECK_EQ(int64_max, Shape(1, int64_max, 1).numel());
    CHECK_EQ(0, Shape(int64_max, 0).numel());
    CHECK_THROWS(TensorError, "bad_shape", Shape(int64_max, 2));
    CHECK_THROWS(TensorError, "bad_shape", Shape(0, int64_max, 2));
}

TEST("a size in bytes fits into 63 bits, dimensions of 0 left out") {
    CHECK_EQ(24, Shape(2, 3).nbytes(4));
    CHECK_THROWS(TensorError, "bad_shape", Tensor::empty(Shape(int64_max), DType::FP32));
    CHECK_THROWS(TensorError, "bad_shape", Tensor::empty(Shape(int64_max, 0), DType::FP32));
}

// ---- Making tensors

TEST("a default tensor is empty") {
    const Tensor tensor;
    CHECK(tensor.is_empty());
    CHECK_EQ(Shape(0), tensor.shape());
    CHECK_EQ(DType::FP32, tensor.dtype());
    CHECK_EQ(0, tensor.memory_size());
    CHECK_EQ(tensor, tensor.clone());
    CHECK(tensor.to_vector<float>().empty());
}

TEST("full, ones and zeros fill every dtype") {
    for (const DTypeInfo& info : DTYPES) {
        if (info.kind == DTypeKind::Complex) continue;
        const bool is_bool = info.dtype == DType::BOOL;
        CHECK_EQ(is_bool ? 1.0 : 2.0, Tensor::full(Shape(), 2, info.dtype).item<double>());
        CHECK_EQ(1.0, Tensor::ones(Shape(1), info.dtype).item<double>());
        CHECK_EQ(0.0, Tensor::zeros(Shape(1, 1), info.dtype).item<double>());
    }
    CHECK_EQ(std::complex<double>(1, -2),
             Tensor::full(Shape(), std::complex<float>(1, -2), DType::COMPLEX128).item<std::complex<double>>());
    CHECK_EQ(std::complex<float>(1), Tensor::ones(Shape(), DType::COMPLEX64).item<std::complex<float>>());
}

TEST("a tensor is FP32 on the CPU unless something else is said") {
    const Tensor tensor = Tensor::full(Shape(4, 3), 1.5f);
    CHECK_EQ(DType::FP32, tensor.dtype());
    CHECK_EQ(CPU, tensor.device());
    CHECK_EQ(2, tensor.ndim());
    CHECK_EQ(12, tensor.numel());
    CHECK_EQ(48, tensor.memory_size());
    CHECK_EQ(4, tensor.dim_size(0));
    CHECK_EQ(3, tensor.width());
    CHECK_EQ(4, tensor.height());
    CHECK_EQ(1, tensor.channel());
    CHECK_EQ(1, tensor.batch());
}

TEST("a value that an element cannot hold is refused") {
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(1), 300, DType::INT8));
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(1), -1, DType::UINT64));
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(1), nan, DType::INT32));
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(1), std::complex<float>(1), DType::FP32));
}

TEST("a device other than the CPU is refused") {
    const Device cuda{DeviceType::CUDA, 1};
    CHECK_EQ("cuda:1", cuda.to_string());
    CHECK_THROWS(TensorError, "bad_device", Tensor::zeros(Shape(1), DType::FP32, cuda));
    CHECK_THROWS(TensorError, "bad_device", Tensor::from_blob(nullptr, Shape(0), DType::FP32, cuda));
}

TEST("memory is aligned to 64 bytes") {
    for (const int n : {0, 1, 3, 1000}) {
        const auto address = reinterpret_cast<std::uintptr_t>(Tensor::empty(Shape(n), DType::UINT8).data_ptr());
        CHECK_EQ(0, address % 64);
    }
}

TEST("from_vector takes its values' dtype, or converts") {
    const std::vector<std::int64_t> values = {1, -2, 3};
    CHECK_EQ(DType::INT64, Tensor::from_vector(values, Shape(3)).dtype());
    CHECK_EQ(floats({1, -2, 3}), Tensor::from_vector(values, Shape(3), DType::FP32));
    CHECK_EQ("tensor([ True, False])", Tensor::from_vector(std::vector<bool>{true, false}, Shape(2)).to_string());
    CHECK_THROWS(TensorError, "bad_shape", Tensor::from_vector(values, Shape(2)));
}

TEST("from_blob borrows memory") {
    std::vector<float> memory = {1, 2, 3, 4};
    const Tensor tensor = Tensor::from_blob(memory.data(), Shape(2, 2));
    memory[3] = 5;
    CHECK_EQ(5.0f, tensor.data<float>()[3]);
    CHECK_EQ(static_cast<void*>(memory.data()), tensor.data_ptr());
}

TEST("from_storage keeps its owner until the last copy goes") {
    const auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3});
    std::weak_ptr<void> alive = owner;
    Tensor tensor = Tensor::from_storage(owner, owner->data() + 1, Shape(2), DType::FP32);
    CHECK_EQ(2, alive.use_count());
    Tensor view = tensor.reshape({2, 1});
    tensor = Tensor();
    CHECK_EQ(2, alive.use_count());
    CHECK_EQ(2.0f, view.data<float>()[0]);
    view = Tensor();
    CHECK_EQ(1, alive.use_count());
}

// ---- Random tensors

TEST("a seed gives the same numbers on every platform") {
    const auto values = [](const Tensor& tensor) { return tensor.to_vector<double>(); };
    CHECK(values(Tensor::uniform(Shape(2), 0, 1, 1, DType::FP64)) ==
          std::vector<double>{0x1.22145bd91204bp-1, 0x1.7dd71b42cb1ddp-1});
    CHECK(values(Tensor::randint(Shape(4), -3, 7, 1)) == std::vector<double>{2, 6, -3, 2});
    CHECK(values(Tensor::randn(Shape(2), 1, DType::FP64)) ==
          std::vector<double>{-0x1.be6db6b9bd314p-2, -0x1.990cd70b12c5dp+0});
}

// Each number depends on every decision before it, so one late number stands for all.
TEST("randn gives the same numbers on every platform, late ones too") {
    CHECK_EQ(-0x1.1c9750b32cd23p-1, Tensor::randn(Shape(10000), 1, DType::FP64).data<double>()[9999]);
}

TEST("another seed gives other numbers") {
    CHECK_EQ(Tensor::randn(Shape(100), 5), Tensor::randn(Shape(100), 5));
    CHECK(Tensor::randn(Shape(100), 5) != Tensor::randn(Shape(100), 6));
}

TEST("randn is normally distributed") {
    const std::vector<double> values = Tensor::randn(Shape(100000), 1, DType::FP64).to_vector<double>();
    double sum = 0, squares = 0, fourths = 0, within_one = 0;
    for (const double x : values) {
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
        within_one += std::abs(x) < 1 ? 1 : 0;
    }
    const auto count = static_cast<double>(values.size());
    CHECK(std::abs(sum / count) < 0.02);
    CHECK(std::abs(squares / count - 1) < 0.02);
    CHECK(std::abs(fourths / count - 3) < 0.15);
    CHECK(std::abs(within_one / count - 0.6827) < 0.01);
}

TEST("uniform stays between its limits") {
    const std::vector<double> values = Tensor::uniform(Shape(10000), -2, 3, 1, DType::FP64).to_vector<double>();
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    CHECK(*least >= -2 && *least < -1.99);
    CHECK(*greatest < 3 && *greatest > 2.99);
}

TEST("randint gives every integer of its range and no other") {
    const std::vector<int> values = Tensor::randint(Shape(1000), -2, 3, 1, DType::INT8).to_vector<int>();
    CHECK_EQ((std::set<int>{-2, -1, 0, 1, 2}), std::set<int>(values.begin(), values.end()));
    const auto lowest = std::numeric_limits<std::int64_t>::min();
    CHECK_EQ(lowest, Tensor::randint(Shape(), lowest, lowest + 1, 1, DType::INT64).item<std::int64_t>());
    CHECK_THROWS(TensorError, "bad_shape", Tensor::randint(Shape(1), 3, 3));
}

TEST("randn and uniform need a floating-point dtype") {
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::randn(Shape(1), 0, DType::INT32));
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::uniform(Shape(1), 0, 1, 0, DType::COMPLEX64));
}

// ---- Memory

TEST("a copy shares the memory, a clone has its own") {
    const Tensor tensor = Tensor::zeros(Shape(2));
    const Tensor copy = tensor;
    const Tensor clone = tensor.clone();
    tensor.data<float>()[0] = 7;
    CHECK_EQ(7.0f, copy.data<float>()[0]);
    CHECK_EQ(0.0f, clone.data<float>()[0]);
}

TEST("a tensor that was moved from is empty") {
    Tensor tensor = Tensor::ones(Shape(2));
    Tensor moved = std::move(tensor);
    CHECK_EQ(Tensor(), tensor);
    CHECK_EQ(Tensor::ones(Shape(2)), moved);
    tensor = std::move(moved);
    CHECK_EQ(Tensor(), moved);
    CHECK_EQ(Tensor::ones(Shape(2)), tensor);
    static_assert(std::is_nothrow_move_constructible_v<Tensor> && std::is_nothrow_move_assignable_v<Tensor>);
}

TEST("copies are made and dropped by several threads") {
    const Tensor tensor = Tensor::ones(Shape(16));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([tensor] {
            for (int round = 0; round < 1000; ++round) CHECK_EQ(16, Tensor(tensor).numel());
        });
    for (std::thread& thread : threads) thread.join();
    CHECK_EQ(Tensor::ones(Shape(16)), tensor);
}

TEST("data has the type of the dtype and no other") {
    const Tensor tensor = Tensor::zeros(Shape(2), DType::INT32);
    CHECK_EQ(tensor.data_ptr(), static_cast<void*>(tensor.data<std::int32_t>()));
    CHECK_THROWS(TensorError, "bad_dtype", tensor.data<float>());
    CHECK_THROWS(TensorError, "bad_dtype", tensor.data<std::uint32_t>());
}

TEST("elements are copied in and out in whole") {
    Tensor tensor = Tensor::zeros(Shape(3));
    const float in[] = {1, 2, 3};
    float out[4] = {};
    tensor.from_cpu_data(in, sizeof in);
    tensor.to_cpu_data(out, sizeof in);
    CHECK_EQ(3.0f, out[2]);
    CHECK_THROWS(TensorError, "bad_shape", tensor.from_cpu_data(in, 8));
    CHECK_THROWS(TensorError, "bad_shape", tensor.to_cpu_data(out, sizeof out));
}

// ---- Values

TEST("item is the only element, converted") {
    CHECK_EQ(2, Tensor::full(Shape(1, 1), 2.9).item<int>());
    CHECK_EQ(true, Tensor::full(Shape(), 0.5).item<bool>());
    CHECK_THROWS(TensorError, "bad_shape", Tensor::zeros(Shape(2)).item<float>());
    CHECK_THROWS(TensorError, "bad_shape", Tensor().item<float>());
}

TEST("to_vector converts, and refuses what does not fit") {
    CHECK_EQ(std::vector<int>({1, -2}), floats({1.9f, -2.9f}).to_vector<int>());
    CHECK_EQ(std::vector<bool>({true, false}), floats({nan, 0}).to_vector<bool>());
    CHECK_EQ(std::vector<double>({1, 0}),
             Tensor::from_vector(std::vector<bool>{true, false}, Shape(2)).to_vector<double>());
    CHECK_THROWS(TensorError, "bad_dtype", floats({1e10f}).to_vector<std::int32_t>());
    CHECK_THROWS(TensorError, "bad_dtype", floats({-1}).to_vector<std::uint8_t>());
    CHECK_THROWS(TensorError, "bad_dtype", floats({infinity}).to_vector<std::int64_t>());
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::zeros(Shape(1), DType::COMPLEX64).to_vector<float>());
}

TEST("integers at the ends of their ranges convert exactly") {
    const auto lowest = std::numeric_limits<std::int64_t>::min();
    CHECK_EQ(lowest, Tensor::full(Shape(), lowest, DType::INT64).item<std::int64_t>());
    CHECK_EQ(lowest, Tensor::full(Shape(), -0x1p63, DType::INT64).item<std::int64_t>());
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(), 0x1p63, DType::INT64));
    const auto highest = std::numeric_limits<std::uint64_t>::max();
    CHECK_EQ(highest, Tensor::full(Shape(), highest, DType::UINT64).item<std::uint64_t>());
    CHECK_THROWS(TensorError, "bad_dtype", Tensor::full(Shape(), highest, DType::INT64));
    CHECK_EQ(-128, Tensor::full(Shape(), -128.9, DType::INT8).item<int>());
}

TEST("a BOOL element that is neither 0 nor 1 is true") {
    unsigned char bytes[] = {0, 2, 255};
    const Tensor tensor = Tensor::from_blob(bytes, Shape(3), DType::BOOL);
    CHECK_EQ(std::vector<int>({0, 1, 1}), tensor.to_vector<int>());
    CHECK_EQ(Tensor::from_vector(std::vector<bool>{false, true, true}, Shape(3)), tensor);
}

TEST("reshape shares the memory and works out one dimension") {
    const Tensor tensor = Tensor::zeros(Shape(2, 6));
    CHECK_EQ(Shape(3, 4), tensor.reshape({3, -1}).shape());
    CHECK_EQ(Shape(2, 2, 3), tensor.reshape(Shape(2, 2, 3)).shape());
    CHECK_EQ(tensor.data_ptr(), tensor.reshape({-1}).data_ptr());
    CHECK_EQ(Shape(0, 3), Tensor().reshape({-1, 3}).shape());
    CHECK_EQ(Shape(), Tensor::zeros(Shape(1)).reshape(Shape()).shape());
}

TEST("reshape refuses another count and more than one unknown dimension") {
    const Tensor tensor = Tensor::zeros(Shape(2, 6));
    CHECK_THROWS(TensorError, "bad_shape", tensor.reshape(Shape(5)));
    CHECK_THROWS(TensorError, "bad_shape", tensor.reshape({5, -1}));
    CHECK_THROWS(TensorError, "bad_shape", tensor.reshape({-1, -1}));
    CHECK_THROWS(TensorError, "bad_shape", tensor.reshape({2, -6}));
    CHECK_THROWS(TensorError, "bad_shape", Tensor().reshape({0, -1}));
}

// ---- Comparing

TEST("tensors are equal in dtype, shape and values") {
    CHECK_EQ(floats({1, -0.0f}), floats({1, 0}));
    CHECK(floats({1, 2}) != floats({1, 3}));
    CHECK(floats({1, 2}) != floats({1, 2}).reshape({2, 1}));
    CHECK(Tensor::ones(Shape(2)) != Tensor::ones(Shape(2), DType::FP64));
    CHECK(floats({nan}) != floats({nan}));
}

TEST("tensors are close within a tolerance relative to the other") {
    CHECK(floats({1.0f}).is_close(floats({1.000001f})));
    CHECK(!floats({1.0f}).is_close(floats({1.01f})));
    CHECK(floats({1.0f}).is_close(floats({1.01f}), 0.1));
    CHECK(floats({0}).is_close(floats({1e-3f}), 0, 1e-2));
    CHECK(floats({1.0f}).is_close(floats({2.0f}), 0.5, 0));
    CHECK(!floats({2.0f}).is_close(floats({1.0f}), 0.5, 0));
}

TEST("tensors of different dtypes may be close") {
    CHECK(Tensor::full(Shape(2), 1.5, DType::FP16).is_close(Tensor::full(Shape(2), 1.5, DType::FP64)));
    CHECK(Tensor::full(Shape(), std::complex<double>(1, 1e-9), DType::COMPLEX128)
              .is_close(Tensor::ones(Shape(), DType::INT8)));
}

TEST("infinities are close to themselves, NaN if asked for") {
    CHECK(floats({infinity, -infinity}).is_close(floats({infinity, -infinity})));
    CHECK(!floats({infinity}).is_close(floats({-infinity})));
    CHECK(!floats({1}).is_close(floats({infinity})));
    CHECK(!floats({nan}).is_close(floats({nan})));
    CHECK(floats({nan}).is_close(floats({nan}), 1e-5, 1e-8, true));
    CHECK(!floats({nan}).is_close(floats({1}), 1e-5, 1e-8, true));
}

TEST("shapes that differ cannot be compared for closeness") {
    CHECK_THROWS(TensorError, "bad_shape", floats({1, 2}).is_close(floats({1})));
}

}  // namespace
