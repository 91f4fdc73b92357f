// The input of a call where values cannot be sent one after another: it travels whole, in the arguments.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/body.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/protocol/value_path.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// A JSON whose references to attachments are larger by so much. In a JSON text, what looks like one is one.
inline std::string with_moved_references(std::string_view json, std::size_t offset) {
    constexpr std::string_view mark = "{\"$\":";
    std::string moved;
    for (std::size_t begin = json.find(mark); begin != std::string_view::npos; begin = json.find(mark)) {
        std::size_t end = begin += mark.size();
        std::size_t number = 0;
        for (; end < json.size() && json[end] >= '0' && json[end] <= '9'; ++end)
            number = 10 * number + static_cast<std::size_t>(json[end] - '0');
        moved += json.substr(0, begin);
        if (end != begin) moved += std::to_string(number + offset);
        json.remove_prefix(end);
    }
    return moved += json;
}

// What stands for the input in the arguments until it has been gathered.
inline constexpr std::string_view input_place = "{\"$in\":0}";

// Throws LocalProtocolError bad_value if the next value is nested too deeply for its place in the arguments.
inline void require_levels(const Call& call, std::string_view json) {
    constexpr int levels_around = 4;  // [[{"$in":[value]}]]
    const std::size_t too_deep = find_level(json, deepest_body_level - levels_around);
    if (too_deep == std::string_view::npos) return;
    const std::string& parameters = call.request.parameters;
    std::string before =
        parameters.substr(0, parameters.find(input_place)) + "[" + std::string(call.gathered->count, ',');
    before += json.substr(0, too_deep);
    throw LocalProtocolError("bad_value", path_after(before, Body::Role::Call) + " " + nested_too_deeply() +
                                              ": over files an input is a part of the arguments");
}

// Adds a value, whose attachments are added to the call. Throws LocalProtocolError too_large, bad_value.
inline void gather(Call& call, const Body& value, std::vector<PlacedAttachment> attachments) {
    constexpr std::size_t most_values = 10000;
    GatheredInput& input = *call.gathered;
    if (input.count == most_values) {
        throw LocalProtocolError("too_large", "over files an input travels whole, and has at most " +
                                                  std::to_string(most_values) +
                                                  " values: send lists of them, or use shared memory");
    }
    const ExpandedBody expanded(value);
    require_levels(call, expanded.json);
    (input.json += input.count == 0 ? "" : ",") += with_moved_references(expanded.json, call.attachments.size());
    ++input.count;
    for (PlacedAttachment& one : attachments) call.attachments.push_back(std::move(one));
}

// Puts the values into the arguments. Throws LocalProtocolError too_large.
inline void put_into_arguments(Call& call) {
    const std::string values = "{\"$in\":[" + call.gathered->json + "]}";
    std::string& parameters = call.request.parameters;
    if (parameters.size() - input_place.size() + values.size() > longest_body_text)
        throw LocalProtocolError("too_large", "the input makes a text that is too long: use shared memory");
    parameters.replace(parameters.find(input_place), input_place.size(), values);
    call.gathered = nullptr;
    call.feed->end();
}

// Takes all values from the program and puts them into the arguments.
inline void gather_all(Call& call, const Caller& caller) {
    call.gathered = std::make_unique<GatheredInput>();
    while (const std::optional<OwnedBody> value = call.source())
        gather(call, value->value, caller.place_item(call, value->value).attachments);
    call.source = nullptr;
    put_into_arguments(call);
}

}  // namespace tr::detail
