// The driver's calls that talk with their handlers: functions of the host, inputs.
#pragma once

#include <string>
#include <vector>

#include "driver_functions.h"
#include "driver_json.h"
#include "driver_values.h"
#include "tech_renaissance.h"
#include "value_meanings.h"

inline Kept<tr::Push<tr::Value>> pushes;

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

// The input is the first argument.
inline std::string open_input(tr::PythonSession& session, const Arguments& a) {
    const std::string command = a.text("command");
    std::vector<tr::Value> more;
    for (const std::string& meaning : a.texts("arguments"))
        more.push_back(meanings::value_of(meanings::parse(meaning)));
    const tr::CallOptions options = read_call_options(a);
    const tr::ProgressCallback told = functions.on_progress(a);
    if (more.empty()) return pushes.add(session.open(command, tr::input, options, told));
    if (more.size() == 1) return pushes.add(session.open(command, tr::input, more[0], options, told));
    return pushes.add(session.open(command, tr::input, more[0], more[1], options, told));
}

inline bool push(const Arguments& a) {
    return pushes.get(a.text("push"))->push(meanings::value_of(meanings::parse(a.text("meaning"))));
}

inline std::string finish(const Arguments& a) {
    return meanings::write(meanings::meaning_of(pushes.get(a.text("push"))->finish()));
}
