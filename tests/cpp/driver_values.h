// The driver's calls that carry values, which travel as their meanings (value_meanings.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "driver_functions.h"
#include "driver_json.h"
#include "tech_renaissance.h"
#include "value_meanings.h"

struct Layer {
    std::int8_t width = 1;
    std::optional<double> rate;
    TR_FIELDS(width, rate)
};

// What a call gives as a T, as a meaning.
template <class T>
std::string call_as(tr::PythonSession& session, const Arguments& a) {
    const tr::Arguments arguments = meanings::arguments_of(meanings::parse(a.text("meaning")));
    const tr::CallOptions options = read_call_options(a);
    if constexpr (std::is_void_v<T>) {
        session.call<void>(a.text("command"), arguments, options, functions.on_progress(a));
        return "null";
    } else {
        return meanings::write(meanings::meaning_of(
            tr::Value::of(session.call<T>(a.text("command"), arguments, options, functions.on_progress(a)))));
    }
}

inline std::string call_with_values(tr::PythonSession& session, const Arguments& a) {
    using Called = std::string (*)(tr::PythonSession&, const Arguments&);
    static const std::map<std::string, Called> types = {{"", call_as<tr::Value>},
                                                        {"double", call_as<double>},
                                                        {"string", call_as<std::string>},
                                                        {"layers", call_as<std::map<std::string, std::vector<Layer>>>},
                                                        {"void", call_as<void>}};
    return types.at(a.text("type"))(session, a);
}

// Futures or streams by their names. One stays while a call is in it.
template <class T>
class Kept {
public:
    using Pointer = std::shared_ptr<T>;

    std::string add(T one) {
        auto kept = std::make_shared<T>(std::move(one));
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::string name = std::to_string(count_++);
        kept_.emplace(name, std::move(kept));
        return name;
    }

    Pointer get(const std::string& name) const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return kept_.at(name);
    }

    void drop(const std::string& name) {
        Pointer one;  // destroyed after the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        one = std::move(kept_.at(name));
        kept_.erase(name);
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Pointer> kept_;
    int count_ = 0;
};

using Future = tr::Future<tr::Value>;
using Stream = tr::Stream<tr::Value, tr::Value>;

inline Kept<Future> futures;
inline Kept<Stream> streams;

inline std::string submit(tr::PythonSession& session, const Arguments& a) {
    const tr::Arguments arguments = meanings::arguments_of(meanings::parse(a.text("meaning")));
    return futures.add(session.submit(a.text("command"), arguments, read_call_options(a), functions.on_progress(a)));
}

// A call with an input, whose handler calls a function of ours for each of its values, and tells how far it is.
inline tr::detail::json::Value converse(tr::PythonSession& session, const Arguments& a) {
    bool has_told = false;
    session.expose("double", [](std::int64_t number) { return 2 * number; });
    const auto note = tr::on_progress([&](const tr::Progress&) { has_told = true; });
    const tr::CallOptions options{std::chrono::seconds(60)};
    auto push = session.open<std::int64_t>("converse", tr::input, options, note);
    for (std::int64_t number = 0; number < a.number("count"); ++number) push.push(number);
    const std::int64_t total = push.finish();
    return tr::detail::json::Array{total, has_told};
}

// So many calls at once, some of which are cancelled or let go of; what was wrong about them. Throws what the first one
// that failed for another reason did, once all have ended.
inline tr::detail::json::Value burst(tr::PythonSession& session, const Arguments& a) {
    std::map<std::uint32_t, tr::Future<std::uint32_t>> pending;
    tr::detail::json::Array wrong;
    std::exception_ptr failure;
    const auto judge = [&](std::uint32_t number, const auto& action) {
        try {
            action();
        } catch (const tr::CallCancelled& error) {
            if (number % 50 != 7) wrong.push_back(std::to_string(number) + ": " + error.what());
        } catch (const tr::TRException& error) {
            if (error.code() != "deadline_passed" && !failure) failure = std::current_exception();
        }
    };
    for (std::uint32_t number = 0; number < a.number("count"); ++number) {
        judge(number, [&] {  // it may fail while the worker starts
            auto future = session.submit<std::uint32_t>("same", number, read_call_options(a));
            if (number % 50 == 7) future.cancel();
            if (number % 50 != 9) pending.emplace(number, std::move(future));
        });
    }
    for (auto& one : pending) {
        judge(one.first, [&] {
            if (one.second.get() != one.first) wrong.push_back(std::to_string(one.first) + ": another's answer");
        });
    }
    if (failure && wrong.empty()) std::rethrow_exception(failure);
    return wrong;
}

inline std::string begin_stream(tr::PythonSession& session, const Arguments& a) {
    const tr::Arguments arguments = meanings::arguments_of(meanings::parse(a.text("meaning")));
    return streams.add(session.stream<tr::Value, tr::Value>(a.text("command"), arguments, read_call_options(a),
                                                            functions.on_progress(a)));
}

inline std::string result(Future& future, const Arguments& a) {
    const auto timeout = a.milliseconds("timeout_ms");
    return meanings::write(meanings::meaning_of(timeout ? future.get(*timeout) : future.get()));
}

// The value in a list; an empty one at the end.
inline std::string next(Stream& stream, const Arguments& a) {
    const auto timeout = a.milliseconds("timeout_ms");
    const std::optional<tr::Value> value = timeout ? stream.next(*timeout) : stream.next();
    return meanings::write(meanings::meaning_of(tr::Value(value ? tr::Value::List{*value} : tr::Value::List())));
}

inline tr::detail::json::Value progress(const std::optional<tr::Progress>& progress) {
    return progress ? Functions::describe(*progress) : tr::detail::json::Value();
}

using OnKept = tr::detail::json::Value (*)(const Arguments&);

// What is done with those that are kept, which may outlive their sessions.
inline const std::map<std::string, OnKept> on_kept = {
    {"result", [](const Arguments& a) -> tr::detail::json::Value { return result(*futures.get(a.text("future")), a); }},
    {"done", [](const Arguments& a) -> tr::detail::json::Value { return futures.get(a.text("future"))->ready(); }},
    {"future_state",
     [](const Arguments& a) -> tr::detail::json::Value { return futures.get(a.text("future"))->state(); }},
    {"cancel_future",
     [](const Arguments& a) { return futures.get(a.text("future"))->cancel(), tr::detail::json::Value(); }},
    {"stop_future",
     [](const Arguments& a) { return futures.get(a.text("future"))->stop(), tr::detail::json::Value(); }},
    {"future_progress", [](const Arguments& a) { return progress(futures.get(a.text("future"))->progress()); }},
    {"drop_future", [](const Arguments& a) { return futures.drop(a.text("future")), tr::detail::json::Value(); }},
    {"next", [](const Arguments& a) -> tr::detail::json::Value { return next(*streams.get(a.text("stream")), a); }},
    {"stream_result",
     [](const Arguments& a) -> tr::detail::json::Value {
         return meanings::write(meanings::meaning_of(streams.get(a.text("stream"))->result()));
     }},
    {"close_stream",
     [](const Arguments& a) { return streams.get(a.text("stream"))->close(), tr::detail::json::Value(); }},
    {"cancel_stream",
     [](const Arguments& a) { return streams.get(a.text("stream"))->cancel(), tr::detail::json::Value(); }},
    {"stop_stream",
     [](const Arguments& a) { return streams.get(a.text("stream"))->stop(), tr::detail::json::Value(); }},
    {"stream_progress", [](const Arguments& a) { return progress(streams.get(a.text("stream"))->progress()); }},
    {"drop_stream", [](const Arguments& a) { return streams.drop(a.text("stream")), tr::detail::json::Value(); }},
};
