// The functions that a host has exposed to its workers, and how one is run: spec/protocol.md, Callbacks.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/detail/base/near_names.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/base/wrong_arguments.h"
#include "tech_renaissance/detail/host/callback.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/exposed.h"

namespace tr::detail {

// What came of an Ask: a value, unless there is a failure.
struct Outcome {
    OwnedBody result;
    std::optional<Failure> failure = std::nullopt;
};

// Exceptions may say anything, but an answer is UTF-8.
inline std::string as_utf8(std::string text) {
    for (std::size_t at = 0; (at = utf8::find_invalid(text)) != std::string::npos;) text[at] = '?';
    return text;
}

// The class of an exception as Python names it, as far as that is known.
inline std::string type_of(const std::exception& error) {
    const std::pair<bool, const char*> types[] = {
        {dynamic_cast<const LaunchError*>(&error) != nullptr, "LaunchError"},
        {dynamic_cast<const WorkerLost*>(&error) != nullptr, "WorkerLost"},
        {dynamic_cast<const SessionClosed*>(&error) != nullptr, "SessionClosed"},
        {dynamic_cast<const TimedOut*>(&error) != nullptr, "TimedOut"},
        {dynamic_cast<const CallCancelled*>(&error) != nullptr, "CallCancelled"},
        {dynamic_cast<const LocalProtocolError*>(&error) != nullptr, "LocalProtocolError"},
        {dynamic_cast<const RemoteProtocolError*>(&error) != nullptr, "RemoteProtocolError"},
        {dynamic_cast<const CommandError*>(&error) != nullptr, "CommandError"},
        {dynamic_cast<const FormatError*>(&error) != nullptr, "FormatError"},
        {dynamic_cast<const ArenaFull*>(&error) != nullptr, "ArenaFull"},
        {dynamic_cast<const TRException*>(&error) != nullptr, "TechRenaissanceError"},
    };
    for (const auto& [is_it, name] : types) {
        if (is_it) return std::string("tech_renaissance.") + name;
    }
    return "std::exception";
}

// Throws LocalProtocolError bad_message.
inline void check_exposed_name(const std::string& name) {
    check_command(name);
    if (name[0] == '_') throw LocalProtocolError("bad_message", "names that begin with _ are reserved: '" + name + "'");
}

// Thread-safe.
class Exposed {
public:
    void set(const std::string& name, ExposedFunction function) {
        const std::lock_guard<std::mutex> lock(mutex_);
        functions_[name].swap(function);  // the last one is destroyed after releasing the lock
    }
    void remove(const std::string& name) {
        decltype(functions_)::node_type removed;  // destroyed after releasing the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        removed = functions_.extract(name);
    }

    // Runs the function that a handler asks for, without any lock. Throws nothing that the function throws.
    Outcome run(const Ask& ask, const void* session) const {
        if (ask.error) return {{}, unreadable(ask.error)};
        ExposedFunction function;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            const auto found = functions_.find(ask.name);
            if (found == functions_.end()) return {{}, unknown(ask.name)};
            function = found->second;
        }
        const Callback callback(session, ask.waiting);
        try {
            return {function(ask.arguments)};
        } catch (const WrongArguments& error) {
            return {{}, Failure{error.code, as_utf8("wrong arguments for " + ask.name + ": " + error.what()), "", ""}};
        } catch (...) {
            return {{}, failure_of(std::current_exception())};
        }
    }

    static Failure failure_of(const std::exception_ptr& thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& error) {
            return {"command_failed", as_utf8(error.what()), type_of(error), ""};
        } catch (...) {
            return {"command_failed", "something was thrown that is not a std::exception", "unknown", ""};
        }
    }

private:
    // An Ask that could not be read.
    static Failure unreadable(const std::exception_ptr& thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const TRException& error) {
            return {error.code(), as_utf8(error.what()), "", ""};
        }
    }

    // REQUIRES: the lock.
    Failure unknown(const std::string& name) const {
        std::vector<std::string> names;
        for (const auto& [known, function] : functions_) names.push_back(known);
        return {"unknown_command", "the host exposes no function '" + name + "'" + did_you_mean(name, names), "", ""};
    }

    mutable std::mutex mutex_;
    std::map<std::string, ExposedFunction> functions_;
};

}  // namespace tr::detail
