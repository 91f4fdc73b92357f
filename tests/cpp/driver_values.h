// The driver's calls that carry values, which travel as their meanings (value_meanings.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

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
        session.call<void>(a.text("command"), arguments, options);
        return "null";
    } else {
        return meanings::write(
            meanings::meaning_of(tr::Value::of(session.call<T>(a.text("command"), arguments, options))));
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

// Futures by their names. One stays while a call is in it.
class Futures {
public:
    using Pointer = std::shared_ptr<tr::Future<tr::Value>>;

    std::string submit(tr::PythonSession& session, const Arguments& a) {
        const tr::Arguments arguments = meanings::arguments_of(meanings::parse(a.text("meaning")));
        auto future =
            std::make_shared<tr::Future<tr::Value>>(session.submit(a.text("command"), arguments, read_call_options(a)));
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::string name = std::to_string(count_++);
        futures_.emplace(name, std::move(future));
        return name;
    }

    Pointer get(const Arguments& a) const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return futures_.at(a.text("future"));
    }

    void drop(const Arguments& a) {
        Pointer future;  // destroyed after the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        future = std::move(futures_.at(a.text("future")));
        futures_.erase(a.text("future"));
    }

    void clear() { futures_.clear(); }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Pointer> futures_;
    int count_ = 0;
};

inline std::string result(const Futures::Pointer& future, const Arguments& a) {
    const auto timeout = a.milliseconds("timeout_ms");
    return meanings::write(meanings::meaning_of(timeout ? future->get(*timeout) : future->get()));
}
