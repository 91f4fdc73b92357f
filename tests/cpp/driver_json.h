// What the driver reads from JSON and writes into it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/detail/protocol/json.h"

// A JSON object as the arguments of a call; what is missing is empty, false or zero.
class Arguments {
public:
    explicit Arguments(tr::detail::json::Object object) : object_(std::move(object)) {}

    std::string text(const std::string& key) const { return get<std::string>(key); }
    bool flag(const std::string& key) const { return get<bool>(key); }
    Arguments object(const std::string& key) const { return Arguments(get<tr::detail::json::Object>(key)); }

    std::uint32_t number(const std::string& key) const {
        const auto* value = object_.find(key);
        const auto* number = value ? value->get_if<tr::detail::json::Number>() : nullptr;
        return static_cast<std::uint32_t>(number ? number->as_int64().value() : 0);
    }

    // Whether it is there, and not null.
    bool has(const std::string& key) const {
        const auto* value = object_.find(key);
        return value && !value->is_null();
    }

    std::optional<std::chrono::milliseconds> milliseconds(const std::string& key) const {
        if (!has(key)) return std::nullopt;
        return std::chrono::milliseconds(object_.find(key)->get_if<tr::detail::json::Number>()->as_int64().value());
    }

    // From seconds, with a fraction or without.
    std::optional<std::chrono::milliseconds> seconds(const std::string& key) const {
        if (!has(key)) return std::nullopt;
        const std::chrono::duration<double> value(object_.find(key)->get_if<tr::detail::json::Number>()->as_double());
        return std::chrono::duration_cast<std::chrono::milliseconds>(value);
    }

    // Elements of an array.
    std::vector<std::chrono::milliseconds> all_milliseconds(const std::string& key) const {
        std::vector<std::chrono::milliseconds> all;
        for (const auto& value : get<tr::detail::json::Array>(key)) {
            all.emplace_back(value.get_if<tr::detail::json::Number>()->as_int64().value());
        }
        return all;
    }

    std::vector<std::string> texts(const std::string& key) const {
        std::vector<std::string> texts;
        for (const auto& value : get<tr::detail::json::Array>(key)) texts.push_back(*value.get_if<std::string>());
        return texts;
    }

    std::vector<Arguments> objects(const std::string& key) const {
        std::vector<Arguments> objects;
        for (const auto& value : get<tr::detail::json::Array>(key)) {
            objects.emplace_back(*value.get_if<tr::detail::json::Object>());
        }
        return objects;
    }

    tr::Environment variables(const std::string& key) const {
        tr::Environment variables;
        for (const auto& member : get<tr::detail::json::Object>(key)) {
            variables[member.key] = *member.value.get_if<std::string>();
        }
        return variables;
    }

private:
    template <class T>
    T get(const std::string& key) const {
        const auto* value = object_.find(key);
        const T* typed = value ? value->get_if<T>() : nullptr;
        return typed ? *typed : T();
    }

    tr::detail::json::Object object_;
};

inline tr::CallOptions read_call_options(const Arguments& arguments) {
    return {arguments.milliseconds("timeout_ms"), arguments.milliseconds("deadline_ms"), arguments.flag("idempotent")};
}

inline tr::RestartPolicy read_restart_policy(const Arguments& arguments) {
    tr::RestartPolicy policy;
    policy.first_backoff = arguments.milliseconds("first_backoff_ms").value_or(policy.first_backoff);
    policy.max_backoff = arguments.milliseconds("max_backoff_ms").value_or(policy.max_backoff);
    if (arguments.has("limit")) policy.limit = static_cast<int>(arguments.number("limit"));
    policy.window = arguments.seconds("window_s").value_or(policy.window);
    if (arguments.has("keep_tags")) policy.keep_tags = arguments.flag("keep_tags");
    return policy;
}

// What C++ has no type for is refused as in Python.
inline tr::Restart read_restart(const std::string& name) {
    if (name == "on-crash") return tr::Restart::on_crash;
    if (name.empty() || name == "never") return tr::Restart::never;
    throw tr::LocalProtocolError("bad_option", "restart is 'never' or 'on-crash', not '" + name + "'");
}

// Options about calls and workers that do not end well; on_restart is the text of a message, or begins with "raise":
// then it throws what is no std::exception.
inline void read_life_options(const Arguments& arguments, tr::SessionOptions& options) {
    const auto patience = arguments.all_milliseconds("patience_ms");
    if (patience.size() == 3) options.patience = {patience[0], patience[1], patience[2]};
    options.restart = read_restart(arguments.text("restart"));
    options.restart_policy = read_restart_policy(arguments.object("restart_policy"));
    const std::string message = arguments.text("on_restart");
    if (message.substr(0, 5) == "raise") {
        options.on_restart = [](tr::PythonSession&) { throw 42; };
    } else if (!message.empty()) {
        options.on_restart = [message](tr::PythonSession& session) { session.fetch_response(message); };
    }
}

// "callback" is the driver's own to set.
inline tr::SessionOptions read_options(const Arguments& arguments) {
    tr::SessionOptions options;
    options.script_path = arguments.text("script_path");
    options.session_id = arguments.text("session_id");
    options.quiet_mode = arguments.flag("quiet_mode");
    options.arguments = arguments.texts("arguments");
    options.python = arguments.text("python");
    options.python_arguments = arguments.texts("python_arguments");
    options.environment = arguments.variables("environment");
    options.working_directory = arguments.text("working_directory");
    options.workspace = arguments.text("workspace");
    options.transport = arguments.text("transport");
    options.poll_ms = arguments.text("poll_ms");
    if (arguments.has("look_us")) options.look = std::chrono::microseconds(arguments.number("look_us"));
    options.launch_timeout = arguments.milliseconds("launch_timeout_ms").value_or(options.launch_timeout);
    read_life_options(arguments, options);
    const std::string output = arguments.text("output");
    if (output == "inherit")
        options.output = tr::InheritOutput{};
    else if (output == "discard")
        options.output = tr::DiscardOutput{};
    else if (!output.empty() && output != "callback")
        options.output = tr::OutputFile{output};
    return options;
}

inline std::string type_name(const std::exception& error) {
    if (dynamic_cast<const tr::LaunchError*>(&error)) return "LaunchError";
    if (dynamic_cast<const tr::SessionClosed*>(&error)) return "SessionClosed";
    if (dynamic_cast<const tr::WorkerLost*>(&error)) return "WorkerLost";
    if (dynamic_cast<const tr::TimedOut*>(&error)) return "TimedOut";
    if (dynamic_cast<const tr::CallCancelled*>(&error)) return "CallCancelled";
    if (dynamic_cast<const tr::LocalProtocolError*>(&error)) return "LocalProtocolError";
    if (dynamic_cast<const tr::RemoteProtocolError*>(&error)) return "RemoteProtocolError";
    if (dynamic_cast<const tr::CommandError*>(&error)) return "CommandError";
    if (dynamic_cast<const tr::FormatError*>(&error)) return "FormatError";
    if (dynamic_cast<const tr::ArenaFull*>(&error)) return "ArenaFull";
    return "";  // not one of ours: a defect
}

inline tr::detail::json::Value describe(const std::shared_ptr<const tr::PostMortem>& death) {
    return death ? tr::detail::json::Value(tr::detail::to_json(*death)) : tr::detail::json::Value();
}

inline tr::detail::json::Object describe(const std::exception& error) {
    tr::detail::json::Object object{{"type", type_name(error)}, {"message", error.what()}};
    if (const auto* ours = dynamic_cast<const tr::TRException*>(&error)) object.set("code", ours->code());
    if (const auto* process = dynamic_cast<const tr::ProcessError*>(&error)) {
        const std::optional<int> status = process->exit_status();
        object.set("exit_status", status ? tr::detail::json::Value(*status) : tr::detail::json::Value());
        object.set("output_tail", process->output_tail());
        object.set("post_mortem", describe(process->post_mortem()));
    }
    if (const auto* ended = dynamic_cast<const tr::CallEnded*>(&error)) {
        object.set("step", ended->step());
        object.set("stack", ended->stack());
        object.set("post_mortem", describe(ended->post_mortem()));
    }
    if (const auto* command = dynamic_cast<const tr::CommandError*>(&error)) {
        object.set("remote_type", command->remote_type());
        object.set("remote_message", command->remote_message());
        object.set("remote_traceback", command->remote_traceback());
        object.set("result", command->result());
    }
    if (const auto* format = dynamic_cast<const tr::FormatError*>(&error)) object.set("offset", format->offset());
    return object;
}
