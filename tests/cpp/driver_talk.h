// The driver's calls that talk with their handlers: functions of the host, inputs.
#pragma once

#include <string>
#include <vector>

#include "driver_functions.h"
#include "driver_json.h"
#include "driver_values.h"
#include "tech_renaissance.h"
#include "value_meanings.h"

// Exposes a function of the program that drives this one.
inline void expose(tr::PythonSession& session, const Arguments& a) {
    const std::string name = a.text("name");
    const auto call = [handle = a.text("session"), name](const std::vector<tr::Value>& arguments) {
        return functions.call(handle, name, arguments);
    };
    switch (a.number("arity")) {
        case 0: return session.expose(name, [call] { return call({}); });
        case 1: return session.expose(name, [call](const tr::Value& one) { return call({one}); });
        default:
            return session.expose(name,
                                  [call](const tr::Value& one, const tr::Value& two) { return call({one, two}); });
    }
}

// A call whose input comes first, or by name; behind it there may be an argument `most`.
inline std::string call_with_input(tr::PythonSession& session, const Arguments& a) {
    const std::string command = a.text("command");
    const std::string name = a.text("name");
    const tr::InputSource values = functions.input_of(a);
    const tr::CallOptions options = read_call_options(a);
    const tr::ProgressCallback told = functions.on_progress(a);
    const auto call = [&](const auto&... arguments) {
        return meanings::write(meanings::meaning_of(session.call(command, arguments..., options, told)));
    };
    if (!name.empty()) return call(tr::kw(name.c_str(), values));
    if (a.has("most")) return call(values, tr::kw("most", a.number("most")));
    return call(values);
}

inline std::string stream_with_input(tr::PythonSession& session, const Arguments& a) {
    return streams.add(session.stream<tr::Value, tr::Value>(a.text("command"), functions.input_of(a),
                                                            read_call_options(a), functions.on_progress(a)));
}
