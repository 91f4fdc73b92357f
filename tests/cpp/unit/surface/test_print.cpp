// Tensors as text, against what torch printed (tests/data/make_print_golden.py).
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <locale>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/protocol/json.h"
#include "tech_renaissance/tensor.h"

namespace {

using namespace tr;
using detail::json::Array;
using detail::json::Number;
using detail::json::Object;

struct Golden {
    Tensor tensor;
    int precision;
    std::string text;
};

template <class T>
const T& get(const Object& object, const char* key) {
    return *object.find(key)->get_if<T>();
}

DType dtype_named(const std::string& name) {
    for (const DTypeInfo& info : DTYPES)
        if (name == info.name) return info.dtype;
    throw TensorError("bad_dtype", name);
}

std::vector<unsigned char> from_hex(const std::string& text) {
    std::vector<unsigned char> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes.push_back(static_cast<unsigned char>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

Golden parse(const Object& object) {
    std::vector<std::int64_t> dims;
    for (const auto& dim : get<Array>(object, "shape")) dims.push_back(*dim.get_if<Number>()->as_int64());
    const std::vector<unsigned char> bytes = from_hex(get<std::string>(object, "data"));
    Tensor tensor = Tensor::empty(Shape(dims), dtype_named(get<std::string>(object, "dtype")));
    tensor.from_cpu_data(bytes.data(), bytes.size());
    return {tensor, static_cast<int>(*get<Number>(object, "precision").as_int64()), get<std::string>(object, "text")};
}

std::vector<Golden> goldens() {
    const auto path = std::filesystem::path(__FILE__).parent_path() / "../../../data/print_golden.json";
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    const detail::json::Value file = detail::json::parse(text.str());
    std::vector<Golden> cases;
    for (const auto& value : *file.get_if<Array>()) cases.push_back(parse(*value.get_if<Object>()));
    return cases;
}

std::string printed(const Tensor& tensor, const std::string& name, int precision) {
    std::ostringstream captured;
    std::streambuf* const console = std::cout.rdbuf(captured.rdbuf());
    tensor.print(name, precision);
    std::cout.rdbuf(console);
    return captured.str();
}

TEST("every golden tensor prints as torch printed it") {
    const std::vector<Golden> cases = goldens();
    CHECK(cases.size() >= 150);
    for (const Golden& golden : cases) CHECK_EQ(golden.text, golden.tensor.to_string(golden.precision));
}

TEST("the default precision is four decimals, with << too") {
    std::ostringstream out;
    out << Tensor::full(Shape(2), 1.5);
    CHECK_EQ("tensor([1.5000, 1.5000])", out.str());
}

TEST("print writes the name on a line of its own, then the text") {
    CHECK_EQ("result:\ntensor([[1.50, 1.50]])\n", printed(Tensor::full(Shape(1, 2), 1.5), "result", 2));
}

TEST("print without a name writes only the text") {
    CHECK_EQ("tensor([1., 1.])\n", printed(Tensor::ones(Shape(2)), "", 4));
}

TEST("bytes of a BOOL tensor that are neither 0 nor 1 print as True") {
    unsigned char bytes[] = {0, 1, 255};
    CHECK_EQ("tensor([False,  True,  True])", Tensor::from_blob(bytes, Shape(3), DType::BOOL).to_string());
}

// The C++ locale that a program sets decides what streams write.
class CommaLocale {
public:
    CommaLocale() : before_(std::locale::global(std::locale(std::locale::classic(), new Comma))) {}
    CommaLocale(const CommaLocale&) = delete;
    CommaLocale& operator=(const CommaLocale&) = delete;
    ~CommaLocale() { std::locale::global(before_); }

private:
    struct Comma : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\3"; }
    };
    std::locale before_;
};

TEST("the program's locale does not change the text") {
    const CommaLocale comma;
    CHECK_EQ("tensor([1234.5000,    2.0000])",
             Tensor::from_vector(std::vector<float>{1234.5f, 2}, Shape(2)).to_string());
    CHECK_EQ("tensor([12345])", Tensor::from_vector(std::vector<std::int64_t>{12345}, Shape(1)).to_string());
}

}  // namespace
