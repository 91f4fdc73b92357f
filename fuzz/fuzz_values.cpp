// Any body is a value, a call, or refused with a RemoteProtocolError, and typed values also with a CommandError:
// nothing else, and no fault. What is accepted means the same after it was written and read again. The last byte
// chooses the form and the attachments.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/base/wrong_arguments.h"
#include "tech_renaissance/exposed.h"
#include "tech_renaissance/value.h"

namespace {

using namespace tr;

struct Record {
    std::optional<double> a;
    std::vector<std::variant<int, std::string, Record>> b;
    std::map<std::string, std::vector<float>> c;
    TR_FIELDS(a, b, c)
};

void require(bool condition) {
    if (!condition) std::abort();
}

Attachment attachment(unsigned which) {
    if (which == 0) return {Attachment::Kind::Tensor, Tensor::ones({3})};
    if (which == 1) return {Attachment::Kind::Bytes, Tensor::ones({2}, DType::UINT8)};
    if (which == 2) {
        return {Attachment::Kind::Int64List, Tensor::full({2}, std::numeric_limits<std::int64_t>::min(), DType::INT64)};
    }
    return {Attachment::Kind::Float64List, Tensor::full({3}, std::numeric_limits<double>::quiet_NaN(), DType::FP64)};
}

void check_value(const Body& body) {
    try {
        const Value value = decode_result<Value>(body);
        const Body again = encode_result(value);
        const Value arrived = decode_result<Value>(again);
        const Body twice = encode_result(arrived);
        require(again.text == twice.text && again.attachments.size() == twice.attachments.size());
    } catch (const RemoteProtocolError&) {
    }
}

void check_call(const Body& body) {
    try {
        decode_call(body);
    } catch (const RemoteProtocolError&) {
    }
}

template <class T>
void check_typed(const Body& body) {
    try {
        decode_result<T>(encode_result(decode_result<T>(body)));
    } catch (const RemoteProtocolError&) {
    } catch (const CommandError& error) {
        require(error.code() == "wrong_type");
    }
}

// As the arguments of a function that a handler asks for.
void check_exposed(const Body& body) {
    static const detail::ExposedFunction function = detail::exposed_function(
        std::function([](const Value& one, const std::optional<int>&, const std::optional<Record>&) { return one; }));
    try {
        decode_result<Value>(function(body).value);
    } catch (const RemoteProtocolError&) {
    } catch (const detail::WrongArguments& error) {
        require(error.what()[0] != 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t nbytes) {
    if (nbytes == 0) return 0;
    const unsigned choice = data[nbytes - 1];
    Body body{Body::Form::Json, std::string(reinterpret_cast<const char*>(data), nbytes - 1), {}};
    if (choice % 8 == 7) body.form = static_cast<Body::Form>(choice / 64);
    for (unsigned i = 0; i < choice / 8 % 4; ++i) body.attachments.push_back(attachment((choice + i) % 4));
    check_value(body);
    check_call(body);
    check_exposed(body);
    check_typed<Record>(body);
    check_typed<std::vector<Record>>(body);
    check_typed<std::tuple<int, std::string, bool>>(body);
    check_typed<std::array<std::uint8_t, 2>>(body);
    check_typed<std::vector<std::variant<std::int8_t, float, std::string, std::vector<std::int64_t>>>>(body);
    check_typed<Bytes>(body);
    return 0;
}
