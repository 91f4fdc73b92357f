// Functions of the host that its worker may call: PythonSession::expose.
#pragma once

#include "tech_renaissance/config.h"

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/host/owned_body.h"
#include "tech_renaissance/encoder.h"

namespace tr::detail {

// Reads the arguments of a call from first to last. Throws WrongArguments.
class ArgumentReader {
public:
    // count: how many there are at most.
    ArgumentReader(const Body& body, std::size_t count);

    template <class T>
    T next() {
        if (begin_next(IsOptional<T>::value)) {
            try {
                return Codec<T>::get(decoder_);
            } catch (const std::exception& error) {
                refuse(error);
            }
        }
        if constexpr (IsOptional<T>::value) return std::nullopt;
        throw_missing();
    }
    // After the last one.
    void finish();

private:
    // False if there are no more, and there need not be.
    bool begin_next(bool is_optional);
    [[noreturn]] void refuse(const std::exception& problem) const;
    [[noreturn]] void throw_missing();
    // After the arguments by place.
    void check_nothing_by_name();
    // In words: how many it takes.
    std::string number_of_arguments() const;

    template <class Read>
    static auto reading(Read read);

    ExpandedBody expanded_;
    Decoder decoder_;
    std::size_t count_;
    std::size_t read_ = 0;
    bool is_over_ = false;
};

// Gets the body of a call. Throws WrongArguments if it cannot take them.
using ExposedFunction = std::function<OwnedBody(const Body& arguments)>;

template <class... A>
using ArgumentsOf = std::tuple<std::remove_cv_t<std::remove_reference_t<A>>...>;

// Whether a function's parameters can be read off it: it is neither overloaded nor a template.
template <class Function, class = void>
struct HasOneSignature : std::false_type {};
template <class Function>
struct HasOneSignature<Function, std::void_t<decltype(std::function(std::declval<Function>()))>> : std::true_type {};

template <class R, class... A>
ExposedFunction exposed_function(std::function<R(A...)> function) {
    return [function = std::move(function)](const Body& body) -> OwnedBody {
        ArgumentReader reader(body, sizeof...(A));
        ArgumentsOf<A...> arguments{reader.next<std::remove_cv_t<std::remove_reference_t<A>>>()...};
        reader.finish();
        const auto call = [&](auto&... values) -> R { return function(static_cast<A&&>(values)...); };
        if constexpr (std::is_void_v<R>) {
            std::apply(call, arguments);
            Encoder encoder;
            encoder.null();
            return {encoder.finish(), nullptr};
        } else {
            const auto result =
                std::make_shared<std::remove_cv_t<std::remove_reference_t<R>>>(std::apply(call, arguments));
            return {encode_result(*result), result};
        }
    };
}

}  // namespace tr::detail

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/exposed.h"
#endif
