// Codecs of structs that name their fields.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/codec.h"
#include "tech_renaissance/encoder.h"
#include "tech_renaissance/fields.h"

namespace tr {

namespace detail {

struct FieldWriter {
    Encoder& encoder;

    template <class Field>
    void operator()(std::string_view name, const Field& field) const {
        encoder.key(name);
        Codec<Field>::put(encoder, field);
    }
};

// Reads the field of a name. Fields usually come in their order, so one place is looked at before all others.
struct FieldReader {
    Decoder& decoder;
    std::string_view key;
    std::size_t expected;
    std::size_t index = 0;
    bool only_expected = true;
    bool is_found = false;

    template <class Field>
    void operator()(std::string_view name, Field& field) {
        const bool is_candidate = !is_found && (index == expected || !only_expected);
        ++index;
        if (!is_candidate || name != key) return;
        is_found = true;
        expected = index;
        field = Codec<Field>::get(decoder);
    }
};

struct FieldNames {
    std::string names;

    template <class Field>
    void operator()(std::string_view name, const Field&) {
        (names += names.empty() ? "" : ", ") += name;
    }
};

}  // namespace detail

template <class T>
struct Codec<T, std::enable_if_t<detail::is_record<T>>> {
    static void put(Encoder& encoder, const T& value) {
        encoder.begin_dict();
        // A visitor takes what it may change; this one does not.
        detail::visit_fields(const_cast<T&>(value), detail::FieldWriter{encoder});
        encoder.end_dict();
    }

    static T get(Decoder& decoder) {
        T value{};
        std::string key;
        std::size_t expected = 0;
        decoder.begin_dict();
        const std::size_t place = decoder.place();
        while (decoder.next_key(key)) {
            detail::FieldReader reader{decoder, key, expected};
            detail::visit_fields(value, reader);
            if (!reader.is_found) {
                reader.index = 0;
                reader.only_expected = false;
                detail::visit_fields(value, reader);
            }
            if (!reader.is_found) refuse_key(decoder, place, key, value);
            expected = reader.expected;
        }
        return value;
    }

    static bool is_kind(Decoder::Kind kind) { return kind == Decoder::Kind::Dict; }

private:
    [[noreturn]] static void refuse_key(const Decoder& decoder, std::size_t place, const std::string& key, T& value) {
        detail::FieldNames known;
        detail::visit_fields(value, known);
        decoder.refuse(place, "no field '" + key + "'; the fields are " + known.names);
    }
};

}  // namespace tr
