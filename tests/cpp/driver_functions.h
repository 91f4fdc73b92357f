// Functions of the program that drives the driver, which handlers and calls reach through it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
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
    tr::ProgressCallback on_progress(const Arguments& a) {
        if (!a.has("on_progress")) return tr::on_progress(nullptr);
        return tr::on_progress([this, id = a.number("id")](const tr::Progress& progress) {
            ask({{"told", id}, {"value", describe(progress)}});
        });
    }

    static tr::detail::json::Value describe(const tr::Progress& progress) {
        using tr::detail::json::Number;
        return tr::detail::json::Object{
            {"done", Number(progress.done)},
            {"total", progress.total ? tr::detail::json::Value(Number(*progress.total)) : tr::detail::json::Value()},
            {"message", progress.message}};
    }

    // The values of an iterator that is an argument of a call.
    tr::InputSource input_of(const Arguments& a) {
        return tr::input_from([this, id = a.number("id")]() -> std::optional<tr::Value> {
            const tr::Value next = ask({{"fed", id}});
            return next.size() == 0 ? std::nullopt : std::optional(next[0]);
        });
    }

    // Calls one and waits for what it returns.
    tr::Value call(const std::string& session, const std::string& name, const std::vector<tr::Value>& arguments) {
        const tr::Value::List list(arguments.begin(), arguments.end());
        return ask({{"session", session},
                    {"name", name},
                    {"arguments", meanings::write(meanings::meaning_of(tr::Value(list)))}});
    }

    void answer(const Arguments& a) {
        const std::lock_guard<std::mutex> lock(mutex_);
        answers_.emplace(a.number("ask"), a);
        changed_.notify_all();
    }

    // What a function asks of this program is done in the thread that waits for the function.
    void run_within(std::uint32_t number, std::function<void()> task) {
        const std::lock_guard<std::mutex> lock(mutex_);
        tasks_.emplace(number, std::move(task));
        changed_.notify_all();
    }

private:
    tr::Value ask(tr::detail::json::Object what) {
        std::unique_lock<std::mutex> lock(mutex_);
        const std::uint32_t number = ++count_;
        what.set("ask", number);
        lock.unlock();
        write_(what);
        lock.lock();
        while (true) {
            changed_.wait(lock, [&] { return answers_.count(number) + tasks_.count(number) != 0; });
            if (auto task = tasks_.extract(number)) {
                lock.unlock();
                task.mapped()();
                lock.lock();
                continue;
            }
            const Arguments answer = std::move(answers_.extract(number).mapped());
            if (answer.has("raises")) throw std::runtime_error(answer.text("raises"));
            return meanings::value_of(meanings::parse(answer.text("meaning")));
        }
    }

    Write write_;
    std::mutex mutex_;  // for everything below
    std::condition_variable changed_;
    std::uint32_t count_ = 0;
    std::map<std::uint32_t, Arguments> answers_;
    std::map<std::uint32_t, std::function<void()>> tasks_;
};

inline Functions functions;
