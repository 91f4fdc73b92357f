// The C++ host as a program that tests drive: one JSON object a line on stdin is one call, and is answered by one on
// stdout. Each is served by a thread of its own, so that concurrent calls are really concurrent. tests/driver.py does
// the same for the Python host.
//
//     {"id": 1, "op": "new", "session": "a", "options": {"script_path": "default", "session_id": "x"}}     {"id": 1,
//     "value": null}
//     {"id": 2, "op": "fetch_response", "session": "a", "message": "hello", "timeout_ms": 1000}            {"id": 2,
//     "value": "Hello"}
//
// A call is named as in tr::PythonSession, its arguments as in the Python one. A tensor is the path of a .tsr file.
// What a call throws is {"id", "error": {"type", "code", "message", ...}}. Output that a session's callback gets is
// {"session", "output"}. The end of stdin ends the calls, then the sessions, then the program.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "driver_io.h"
#include "driver_json.h"
#include "tech_renaissance.h"

namespace {

using tr::PythonSession;
using tr::Tensor;
using tr::detail::json::Array;
using tr::detail::json::Object;
using tr::detail::json::Value;

class Lines {
public:
    void write(const Object& object) {
        const std::lock_guard<std::mutex> lock(mutex_);
        channel_.write_line(tr::detail::json::write(object));
    }

private:
    std::mutex mutex_;
    AnswerChannel channel_;
};

// The sessions by their handles. One that is closed lives on while a call is in it.
class Sessions {
public:
    void add(const std::string& handle, tr::SessionOptions options) {
        auto session = std::make_shared<PythonSession>(std::move(options));
        const std::lock_guard<std::mutex> lock(mutex_);
        sessions_[handle] = std::move(session);
    }

    std::shared_ptr<PythonSession> get(const std::string& handle) const {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = sessions_.find(handle);
        if (found == sessions_.end())
            throw tr::SessionClosed("session_closed", "the session was closed: make a new one");
        return found->second;
    }

    void remove(const std::string& handle) {
        std::shared_ptr<PythonSession> session;  // destroyed after the lock
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = sessions_.find(handle);
        if (found == sessions_.end()) return;
        session = std::move(found->second);
        sessions_.erase(found);
    }

    void clear() { sessions_.clear(); }

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<PythonSession>> sessions_;
};

std::vector<Tensor> load_all(const std::vector<std::string>& paths) {
    std::vector<Tensor> tensors;
    for (const std::string& path : paths) tensors.push_back(Tensor::load(path));
    return tensors;
}

// Results are saved beside each other; the caller removes them.
std::string save(const Tensor& tensor, const std::string& folder) {
    static std::atomic<int> count{0};
    const std::string path = folder + "/result_" + std::to_string(count++) + ".tsr";
    tensor.save(path);
    return path;
}

Value save_all(const std::vector<Tensor>& tensors, const std::string& folder) {
    Array paths;
    for (const Tensor& tensor : tensors) paths.push_back(save(tensor, folder));
    return paths;
}

Tensor calculate(PythonSession& session, const Arguments& a) {
    const std::vector<Tensor> tensors = load_all(a.texts("tensors"));
    // Both forms that C++ has.
    if (tensors.size() == 2) return session.calculate(a.text("command"), tensors[0], tensors[1]);
    return session.calculate(a.text("command"), tensors, a.number("timeout_ms"));
}

using Call = std::function<Value(PythonSession&, const Arguments&)>;

// For calls that return nothing.
template <class Action>
Call action(Action act) {
    return [act](PythonSession& session, const Arguments& arguments) {
        act(session, arguments);
        return Value();
    };
}

#define TR_CALL [](PythonSession& s, [[maybe_unused]] const Arguments& a)->Value
#define TR_ACTION action([](PythonSession & s, [[maybe_unused]] const Arguments& a)

const std::map<std::string, Call> calls = {{"session_id", TR_CALL{return s.session_id();
}  // namespace
}
, {"session_dir", TR_CALL{return s.session_dir();
}
}
, {"set_quiet_mode", TR_ACTION{s.set_quiet_mode(a.flag("quiet"));
})
}
, {"start", TR_ACTION{s.start();
})
}
, {"is_alive", TR_CALL{return s.is_alive();
}
}
, {"please_exit", TR_ACTION{s.please_exit(a.number("timeout_ms"), a.flag("ensure"));
})
}
, {"terminate", TR_ACTION{s.terminate();
})
}
, {"join", TR_CALL{return s.join(a.number("timeout_ms"));
}
}
, {"is_ready", TR_CALL{return s.is_ready();
}
}
, {"is_busy", TR_CALL{return s.is_busy();
}
}
, {"wait_until_ready", TR_CALL{return s.wait_until_ready(a.number("timeout_ms"));
}
}
, {"wait_until_ok", TR_CALL{return s.wait_until_ok(a.number("timeout_ms"));
}
}
, {"new_response", TR_CALL{return s.new_response();
}
}
, {"send_request", TR_ACTION{s.send_request(a.text("message"));
})
}
, {"read_response", TR_CALL{return s.read_response();
}
}
, {"wait_for_response", TR_CALL{return s.wait_for_response(a.number("timeout_ms"));
}
}
, {"wait_for_tensor", TR_CALL{return save(s.wait_for_tensor(a.number("timeout_ms")), a.text("folder"));
}
}
, {"wait_for_tensors", TR_CALL{return save_all(s.wait_for_tensors(a.number("timeout_ms")), a.text("folder"));
}
}
, {"fetch_response", TR_CALL{return s.fetch_response(a.text("message"), a.number("timeout_ms"));
}
}
, {"fetch_tensor", TR_CALL{return save(s.fetch_tensor(a.text("message"), a.number("timeout_ms")), a.text("folder"));
}
}
, {"fetch_tensors",
   TR_CALL{return save_all(s.fetch_tensors(a.text("message"), a.number("timeout_ms")), a.text("folder"));
}
}
, {"calculate", TR_CALL{return save(calculate(s, a), a.text("folder"));
}
}
, {"send_tensor", TR_ACTION{s.send_tensor(Tensor::load(a.text("tensor")), a.text("tag"));
})
}
, {"send_tensors", TR_ACTION{s.send_tensors(load_all(a.texts("tensors")), a.texts("tags"));
})
}
, {"drop_tensor", TR_ACTION{s.drop_tensor(a.text("tag"));
})
}
,
}
;

#undef TR_CALL
#undef TR_ACTION

Value transitions() {
    Array rows;
    for (const tr::detail::Transition& row : tr::detail::transitions) {
        rows.push_back(Array{name_of(row.from), name_of(row.event), name_of(row.to)});
    }
    return rows;
}

class Driver {
public:
    // Serves until the end of stdin.
    void run() {
        for (std::string line; std::getline(std::cin, line);) {
            const std::lock_guard<std::mutex> lock(mutex_);
            ++serving_;
            std::thread([this, line] { serve(line); }).detach();
        }
        std::unique_lock<std::mutex> lock(mutex_);
        idle_.wait(lock, [this] { return serving_ == 0; });
        sessions_.clear();
    }

private:
    void serve(const std::string& line) {
        const Value request = tr::detail::json::parse(line);
        const Arguments arguments(*request.get_if<Object>());
        Object answer{{"id", arguments.number("id")}};
        try {
            answer.set("value", call(arguments));
        } catch (const std::exception& error) {
            answer.set("error", describe(error));
        }
        answers_.write(answer);
        const std::lock_guard<std::mutex> lock(mutex_);
        --serving_;
        idle_.notify_all();
    }

    Value call(const Arguments& arguments) {
        const std::string op = arguments.text("op");
        if (op == "transitions") return transitions();
        const std::string handle = arguments.text("session");
        if (op == "new") return sessions_.add(handle, options(handle, arguments.object("options"))), Value();
        if (op == "close") return sessions_.remove(handle), Value();
        if (op == "fork") return in_fork([this] { sessions_.clear(); });
        return calls.at(op)(*sessions_.get(handle), arguments);
    }

    tr::SessionOptions options(const std::string& handle, const Arguments& arguments) {
        tr::SessionOptions options = read_options(arguments);
        if (arguments.text("output") == "callback") {
            options.output = [this, handle](std::string_view bytes) {
                answers_.write({{"session", handle}, {"output", bytes}});
            };
        }
        return options;
    }

    Lines answers_;
    Sessions sessions_;
    std::mutex mutex_;  // the number of calls in work
    std::condition_variable idle_;
    int serving_ = 0;
};

}  // namespace

int main() {
    Driver().run();
    return 0;
}
