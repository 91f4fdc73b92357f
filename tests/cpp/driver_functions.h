// Functions of the program that drives the driver, which handlers and calls reach through it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "driver_json.h"
#include "tech_renaissance.h"
#include "value_meanings.h"

// The functions of the program that drives this one.
class Functions {
public:
    using Write = std::function<void(const tr::detail::json::Object&)>;

    void write_to(Write write) { write_ = std::move(write); }

    // What is to be told of a call's progress.
    tr::ProgressCallback on_progress(const Arguments& a) const {
        if (!a.has("on_progress")) return tr::on_progress(nullptr);
        return tr::on_progress([this, id = a.number("id")](const tr::Progress& progress) {
            write_({{"progress", id}, {"value", describe(progress)}});
        });
    }

    static tr::detail::json::Value describe(const tr::Progress& progress) {
        using tr::detail::json::Number;
        return tr::detail::json::Object{
            {"done", Number(progress.done)},
            {"total", progress.total ? tr::detail::json::Value(Number(*progress.total)) : tr::detail::json::Value()},
            {"message", progress.message}};
    }

    // Calls one and waits for what it returns.
    tr::Value call(const std::string& session, const std::string& name, const std::vector<tr::Value>& arguments) {
        std::unique_lock<std::mutex> lock(mutex_);
        const std::uint32_t number = ++count_;
        lock.unlock();
        const tr::Value::List list(arguments.begin(), arguments.end());
        write_({{"ask", number},
                {"session", session},
                {"name", name},
                {"arguments", meanings::write(meanings::meaning_of(tr::Value(list)))}});
        lock.lock();
        answered_.wait(lock, [&] { return answers_.count(number) != 0; });
        const Arguments answer = std::move(answers_.extract(number).mapped());
        if (answer.has("raises")) throw std::runtime_error(answer.text("raises"));
        return meanings::value_of(meanings::parse(answer.text("meaning")));
    }

    void answer(const Arguments& a) {
        const std::lock_guard<std::mutex> lock(mutex_);
        answers_.emplace(a.number("ask"), a);
        answered_.notify_all();
    }

private:
    Write write_;
    std::mutex mutex_;  // for everything below
    std::condition_variable answered_;
    std::uint32_t count_ = 0;
    std::map<std::uint32_t, Arguments> answers_;
};

inline Functions functions;
