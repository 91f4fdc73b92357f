// Which C++ types are values, and how: detail/surface/codec_scalars.h, codec_containers.h, codec_records.h and
// codec_alternatives.h. For a type of your own: TR_FIELDS (fields.h), or a Codec like theirs.
//
//     template <>
//     struct tr::Codec<Angle> {
//         static void put(Encoder& encoder, const Angle& angle) { encoder.number(angle.degrees()); }
//         static Angle get(Decoder& decoder) { return Angle(decoder.number()); }
//     };
//
// It must be declared before its first use.
#pragma once

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/detail/surface/codec_alternatives.h"
#include "tech_renaissance/detail/surface/codec_containers.h"
#include "tech_renaissance/detail/surface/codec_records.h"
#include "tech_renaissance/detail/surface/codec_scalars.h"
#include "tech_renaissance/encoder.h"

namespace tr {

namespace detail {

template <class T, class = void>
struct TextOf {
    static std::optional<std::string_view> get(const T&) { return std::nullopt; }
};
template <class T>
struct TextOf<T, std::void_t<decltype(Codec<T>::text_of(std::declval<const T&>()))>> {
    static std::optional<std::string_view> get(const T& value) { return Codec<T>::text_of(value); }
};

}  // namespace detail

// The body of one value. LocalProtocolError `bad_value` and `too_large`. It holds views of the value's tensors and
// bytes: send it before they change.
template <class T>
Body encode_result(const T& value) {
    if (const auto text = detail::TextOf<T>::get(value)) return encode_text(*text, Body::Role::Result);
    Encoder encoder;
    Codec<T>::put(encoder, value);
    return encoder.finish();
}

// The value of a body. RemoteProtocolError if the body breaks a rule, CommandError `wrong_type` if T does not take it.
template <class T>
T decode_result(const Body& body) {
    const ExpandedBody expanded(body);
    Decoder decoder(expanded.json, *expanded.attachments);
    T value = Codec<T>::get(decoder);
    decoder.finish();
    return value;
}

}  // namespace tr
