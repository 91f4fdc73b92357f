// How structs name their fields, so that they travel as dicts:
//
//     struct Layer {
//         int width = 1;
//         std::optional<double> rate;
//         TR_FIELDS(width, rate)
//     };
//
// A field that is missing keeps what its initialiser gave it; a key that is no field is refused. Any number of fields,
// local classes, aggregates. A class does not inherit TR_FIELDS: its own name the fields of its base class, too. For
// classes of others a function beside the class says the same:
//
//     template <class Visitor>
//     void tr_fields(Visitor&& visit, Point& point) {
//         visit("x", point.x);
//         visit("y", point.y);
//     }
//
// A class that inherits from such a class needs a function of its own, too, which may call that one: without it only
// the fields of the base class are sent.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

// Bit-fields cannot be among them.
#define TR_FIELDS(...)                               \
    auto tr_tied() { return std::tie(__VA_ARGS__); } \
    static constexpr const char* tr_field_names() { return #__VA_ARGS__; }

namespace tr::detail {

// The names in "width, rate".
template <std::size_t count>
constexpr std::array<std::string_view, count> split_names(std::string_view names) {
    std::array<std::string_view, count> split{};
    for (std::string_view& name : split) {
        while (!names.empty() && (names[0] == ' ' || names[0] == '\n' || names[0] == '\t')) names.remove_prefix(1);
        const std::size_t comma = names.find(',') < names.size() ? names.find(',') : names.size();
        name = names.substr(0, comma);
        while (!name.empty() && (name.back() == ' ' || name.back() == '\n' || name.back() == '\t'))
            name.remove_suffix(1);
        names.remove_prefix(comma < names.size() ? comma + 1 : comma);
    }
    return split;
}

template <class Class, class Tied>
Class* class_of_member(Tied (Class::*)());

// The class that TR_FIELDS stand in: T, or a base class of it; void without them.
template <class T, class = void>
struct ClassWithFields {
    using Type = void;
};
template <class T>
struct ClassWithFields<T, std::void_t<decltype(class_of_member(&T::tr_tied))>> {
    using Type = std::remove_pointer_t<decltype(class_of_member(&T::tr_tied))>;
};
template <class T>
inline constexpr bool has_fields = std::is_same_v<typename ClassWithFields<T>::Type, T>;
template <class T>
inline constexpr bool inherits_fields = !has_fields<T> && !std::is_void_v<typename ClassWithFields<T>::Type>;

struct AnyVisitor {
    template <class Field>
    void operator()(const char*, Field&&) const {}
};
template <class T, class = void>
struct HasVisitor : std::false_type {};
template <class T>
struct HasVisitor<T, std::void_t<decltype(tr_fields(std::declval<AnyVisitor&>(), std::declval<T&>()))>>
    : std::true_type {};

template <class T>
inline constexpr bool is_record = has_fields<T> || HasVisitor<T>::value;

template <class T, class Visitor, std::size_t... index>
void visit_tied(T& record, Visitor& visit, std::index_sequence<index...>) {
    constexpr auto names = split_names<sizeof...(index)>(T::tr_field_names());
    auto tied = record.tr_tied();
    (visit(names[index], std::get<index>(tied)), ...);
}

// Calls visit(name, field) for each field, in order.
template <class T, class Visitor>
void visit_fields(T& record, Visitor&& visit) {
    if constexpr (has_fields<T>) {
        visit_tied(record, visit, std::make_index_sequence<std::tuple_size_v<decltype(record.tr_tied())>>());
    } else {
        tr_fields(visit, record);
    }
}

}  // namespace tr::detail
