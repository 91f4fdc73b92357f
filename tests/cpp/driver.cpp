// The C++ host as a program that tests drive: one JSON object a line on stdin is one call, and is answered by one on
// stdout. Each is served by a thread of its own, so that concurrent calls are really concurrent. tests/driver.py does
// the same for the Python host.
//
//     {"id": 1, "op": "new", "session": "a", "options": {"script_path": "default", "session_id": "x"}}
//     {"id": 1, "value": null}
//     {"id": 2, "op": "fetch_response", "session": "a", "message": "hello", "timeout_ms": 1000}
//     {"id": 2, "value": "Hello"}
//
// A call is named as in tr::PythonSession, its arguments as in the Python one. A tensor is the path of a .tsr file.
// What a call throws is {"id", "error": {"type", "code", "message", ...}}. A line of output that a session's callback
// gets is {"session", "output", "stream", "message"}. The end of stdin ends the calls, then the sessions, then the
// program.
//
// The option "callback" says what that callback does besides: {"gate"} lets its first line stand before a gate
// (tests/gates.py), {"pause_us"} takes its time with each, {"calls"} makes the call that stands in a line behind "call
// " and reports what that gave as a line of the stream "called".
//
// {"raises"} throws what is no std::exception. SIGINT does nothing here.
//
// The option on_restart is the text of a message that the hook sends. A post-mortem is an object as in
// post_mortem.json, or null; a state is {"name", "message", "busy_s"}.
//
// `fork` makes "calls", an array of such objects, in a fork of this program; what they gave, an error its code, becomes
// an array in the file "results". Then the fork passes the "gate", and is not waited for, if there is one.
//
// `signals` interrupts the calls: every_us microseconds a signal comes, whose handler does nothing; 0 ends that.
// Interrupted system calls fail unless it says `restart`.
//
// `call` has its arguments, and gives its result, as the text of a meaning (value_meanings.h); with "type" it is asked
// for as that type of C++. `submit` and `stream` answer the name of a future or a stream that stays here, see on_kept.
//
// What runs in who drives this program is asked for by a line with "ask", a number, and is waited for; the answer is an
// `answer` with "ask", and "meaning" or "raises". A call with "on_progress" asks so for {"told": its id, "value":
// {"done", "total", "message"}}. `expose` gives handlers a function "name" of "arity" arguments, which asks for
// {"session", "name", "arguments"}. `call_with_input` and `stream_with_input` ask for the next value by {"fed": their
// id}; the answer is a list of it, empty at the end. A call with "within", the number of what is asked, is made in the
// thread that waits for that.
//
// Only this program: `empty` and `keep` (a fetch_tensor) leave a tensor here and answer its name; `read`, `write`,
// `release` and `send_tensor` take it as "kept".
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "driver_functions.h"
#include "driver_io.h"
#include "driver_json.h"
#include "driver_talk.h"
#include "driver_values.h"
#include "tech_renaissance.h"
#include "tech_renaissance/detail/protocol/connection.h"

namespace {

using tr::PythonSession;
using tr::Tensor;
using tr::detail::json::Array;
using tr::detail::json::Object;
using tr::detail::json::Value;

// The lines that this program reads and writes. Whoever drives it may send a line because of one that it got, so what a
// thread did before it wrote has happened before whatever comes of the lines that are read later.
class Lines {
public:
    // False at the end of stdin.
    bool read(std::string& line) {
        const bool has_read = static_cast<bool>(std::getline(std::cin, line));
        written_.load();  // not a lock, which a thread holds that waits until its line is taken
        return has_read;
    }

    void write(const Object& object) {
        ++written_;
        const std::lock_guard<std::mutex> lock(mutex_);
        channel_.write_line(tr::detail::json::write(object));
    }

    void leave() const { channel_.leave(); }

private:
    std::atomic<std::uint64_t> written_{0};  // by which a reader sees what the writers did
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

    // For a fork, in which another thread's lock would be held for ever.
    std::unique_lock<std::mutex> lock() const { return std::unique_lock<std::mutex>(mutex_); }

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

Value state(PythonSession& session) {
    const tr::SessionState state = session.state();
    return Object{{"name", state.name}, {"message", state.message}, {"busy_s", state.busy_for.count()}};
}

Tensor calculate(PythonSession& session, const Arguments& a) {
    const std::vector<Tensor> tensors = load_all(a.texts("tensors"));
    // All forms that C++ has.
    if (!a.has("deadline_ms") && !a.has("idempotent")) {
        if (tensors.empty() && a.has("timeout_ms")) return session.calculate(a.text("command"), a.number("timeout_ms"));
        if (tensors.size() == 2 && a.has("timeout_ms"))
            return session.calculate(a.text("command"), tensors[0], tensors[1], a.number("timeout_ms"));
        if (tensors.size() == 2) return session.calculate(a.text("command"), tensors[0], tensors[1]);
    }
    return session.calculate(a.text("command"), tensors, read_call_options(a));
}

// Tensors that stay here under a name, for what is about their memory and not only their elements.
class KeptTensors {
public:
    Value add(Tensor tensor) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const std::string name = std::to_string(count_++);
        tensors_.emplace(name, std::move(tensor));
        return name;
    }

    Tensor get(const std::string& name) const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return tensors_.at(name);
    }

    void release(const std::string& name) {
        const std::lock_guard<std::mutex> lock(mutex_);
        tensors_.erase(name);
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, Tensor> tensors_;
    int count_ = 0;
};

KeptTensors kept;

Tensor empty(PythonSession& session, const Arguments& a) {
    std::vector<std::int64_t> dims;
    for (const std::string& dim : a.texts("shape")) dims.push_back(std::stoll(dim));
    return session.empty(tr::Shape(dims), static_cast<tr::DType>(a.number("dtype")));
}

void write_kept(const Arguments& a) {
    const Tensor from = Tensor::load(a.text("tensor"));
    std::memcpy(kept.get(a.text("kept")).data_ptr(), from.data_ptr(), from.memory_size());
}

// A tensor that is kept here, or else the path of one.
Tensor given_tensor(const Arguments& a) {
    return a.text("kept").empty() ? Tensor::load(a.text("tensor")) : kept.get(a.text("kept"));
}

using Call = std::function<Value(PythonSession&, const Arguments&)>;

template <class Function>
Call call(Function function) {
    return [function](PythonSession& session, const Arguments& arguments) -> Value {
        if constexpr (std::is_void_v<decltype(function(session, arguments))>) {
            function(session, arguments);
            return Value();
        } else {
            return function(session, arguments);
        }
    };
}

using Session = PythonSession;
using Args = Arguments;

const std::map<std::string, Call> calls = {
    {"session_id", call([](Session& s, const Args&) { return s.session_id(); })},
    {"session_dir", call([](Session& s, const Args&) { return s.session_dir(); })},
    {"set_quiet_mode", call([](Session& s, const Args& a) { s.set_quiet_mode(a.flag("quiet")); })},
    {"start", call([](Session& s, const Args& a) { s.start(a.number("wait_ms")); })},
    {"is_alive", call([](Session& s, const Args&) { return s.is_alive(); })},
    {"please_exit", call([](Session& s, const Args& a) { s.please_exit(a.number("timeout_ms"), a.flag("ensure")); })},
    {"terminate", call([](Session& s, const Args&) { s.terminate(); })},
    {"join", call([](Session& s, const Args& a) { return s.join(a.number("timeout_ms")); })},
    {"is_ready", call([](Session& s, const Args&) { return s.is_ready(); })},
    {"is_busy", call([](Session& s, const Args&) { return s.is_busy(); })},
    {"wait_until_ready", call([](Session& s, const Args& a) { return s.wait_until_ready(a.number("timeout_ms")); })},
    {"wait_until_ok", call([](Session& s, const Args& a) { return s.wait_until_ok(a.number("timeout_ms")); })},
    {"cancel", call([](Session& s, const Args&) { return s.cancel(); })},
    {"stack", call([](Session& s, const Args&) { return s.stack(); })},
    {"state", call([](Session& s, const Args&) { return state(s); })},
    {"post_mortem", call([](Session& s, const Args&) { return describe(s.post_mortem()); })},
    {"new_response", call([](Session& s, const Args&) { return s.new_response(); })},
    {"send_request", call([](Session& s, const Args& a) { s.send_request(a.text("message"), read_call_options(a)); })},
    {"read_response", call([](Session& s, const Args&) { return s.read_response(); })},
    {"wait_for_response", call([](Session& s, const Args& a) { return s.wait_for_response(a.number("timeout_ms")); })},
    {"wait_for_tensor",
     call([](Session& s, const Args& a) { return save(s.wait_for_tensor(a.number("timeout_ms")), a.text("folder")); })},
    {"wait_for_tensors", call([](Session& s, const Args& a) {
         return save_all(s.wait_for_tensors(a.number("timeout_ms")), a.text("folder"));
     })},
    {"fetch_response",
     call([](Session& s, const Args& a) { return s.fetch_response(a.text("message"), read_call_options(a)); })},
    {"fetch_tensor", call([](Session& s, const Args& a) {
         return save(s.fetch_tensor(a.text("message"), read_call_options(a)), a.text("folder"));
     })},
    {"fetch_tensors", call([](Session& s, const Args& a) {
         return save_all(s.fetch_tensors(a.text("message"), read_call_options(a)), a.text("folder"));
     })},
    {"calculate", call([](Session& s, const Args& a) { return save(calculate(s, a), a.text("folder")); })},
    {"send_tensor", call([](Session& s, const Args& a) { s.send_tensor(given_tensor(a), a.text("tag")); })},
    {"send_tensors",
     call([](Session& s, const Args& a) { s.send_tensors(load_all(a.texts("tensors")), a.texts("tags")); })},
    {"drop_tensor", call([](Session& s, const Args& a) { s.drop_tensor(a.text("tag")); })},
    {"call", call([](Session& s, const Args& a) { return call_with_values(s, a); })},
    {"submit", call([](Session& s, const Args& a) { return submit(s, a); })},
    {"stream", call([](Session& s, const Args& a) { return begin_stream(s, a); })},
    {"call_with_input", call([](Session& s, const Args& a) { return call_with_input(s, a); })},
    {"stream_with_input", call([](Session& s, const Args& a) { return stream_with_input(s, a); })},
    {"expose", call([](Session& s, const Args& a) { expose(s, a); })},
    {"converse", call([](Session& s, const Args& a) { return converse(s, a); })},
    {"burst", call([](Session& s, const Args& a) { return burst(s, a); })},
    {"unexpose", call([](Session& s, const Args& a) { s.unexpose(a.text("name")); })},
    {"flush", call([](Session& s, const Args& a) { return s.flush(a.number("timeout_ms")); })},
    {"empty", call([](Session& s, const Args& a) { return kept.add(empty(s, a)); })},
    {"keep",
     call([](Session& s, const Args& a) { return kept.add(s.fetch_tensor(a.text("message"), read_call_options(a))); })},
};

Value transitions() {
    Array rows;
    for (const tr::detail::Transition& row : tr::detail::transitions) {
        rows.push_back(Array{name_of(row.from), name_of(row.event), name_of(row.to)});
    }
    return rows;
}

// One step of a connection, as in spec/vectors/connection: which request an unreadable response belongs to.
Value advance(tr::detail::Connection& connection, const Arguments& step) {
    const std::optional<std::int64_t> id =
        step.has("id") ? std::optional<std::int64_t>(step.number("id")) : std::nullopt;
    const std::string sent = step.text("send");
    const std::string received = step.text("receive");
    if (sent == "Request") connection.sent_request(id.value());
    if (sent == "Exit") connection.sent_exit();
    if (sent == "Answer") connection.sent_answer(id);
    for (const char* kind : {"Item", "Credit"}) {
        if (sent == kind) connection.sent_beside(id, kind);
    }
    if (received == "Ready") connection.received_ready();
    if (received == "Response") connection.received_response(id);
    if (received == "Exiting") connection.received_exiting();
    if (received == "Ask") connection.received_ask(id);
    for (const char* kind : {"Item", "Credit", "Progress"}) {
        if (received == kind) connection.received_beside(id, kind);
    }
    if (step.flag("lost")) connection.lost();
    if (!step.has("answers")) return Value();
    const auto whose = connection.whose(step.has("unreadable") ? std::optional<std::int64_t>(step.number("unreadable"))
                                                               : std::nullopt);
    return whose ? Value(*whose) : Value();
}

// What becomes of a connection at each step.
Value play_connection(const Arguments& arguments) {
    tr::detail::Connection connection;
    Array outcomes;
    for (const Arguments& step : arguments.objects("steps")) {
        Object outcome;
        try {
            outcome.set("answers", advance(connection, step));
            outcome.set("refused", Value());
        } catch (const tr::ProtocolError& error) {
            outcome.set("answers", Value());
            outcome.set("refused", describe(error));
        }
        outcome.set("state", name_of(connection.state()));
        Array waiting;
        for (const std::int64_t id : connection.waiting()) waiting.push_back(Value(id));
        outcome.set("waiting", std::move(waiting));
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

class Driver {
public:
    // Serves until the end of stdin.
    void run() {
        block_alarms();
        functions.write_to([this](const Object& line) { lines_.write(line); });
        for (std::string line; lines_.read(line);) {
            const Value value = tr::detail::json::parse(line);
            const Arguments request(*value.get_if<Object>());
            if (request.has("within")) {
                functions.run_within(request.number("within"), [this, request] { answer(request); });
                continue;
            }
            const std::lock_guard<std::mutex> lock(mutex_);
            ++serving_;
            std::thread([this, request] { serve(request); }).detach();
        }
        std::unique_lock<std::mutex> lock(mutex_);
        idle_.wait(lock, [this] { return serving_ == 0; });
        sessions_.clear();
    }

private:
    void serve(const Arguments& request) {
        unblock_alarms();
        answer(request);
        const std::lock_guard<std::mutex> lock(mutex_);
        --serving_;
        idle_.notify_all();
    }

    void answer(const Arguments& arguments) {
        Object answer{{"id", arguments.number("id")}};
        try {
            answer.set("value", call(arguments));
        } catch (const std::exception& error) {
            answer.set("error", describe(error));
        }
        lines_.write(answer);
    }

    Value call(const Arguments& arguments) {
        const std::string op = arguments.text("op");
        if (op == "transitions") return transitions();
        if (op == "play_connection") return play_connection(arguments);
        if (op == "signals") return alarm_every(arguments.number("every_us"), arguments.flag("restart")), Value();
        if (op == "read") return save(kept.get(arguments.text("kept")), arguments.text("folder"));
        if (op == "write") return write_kept(arguments), Value();
        if (op == "release") return kept.release(arguments.text("kept")), Value();
        if (op == "answer") return functions.answer(arguments), Value();
        const auto kept_one = on_kept.find(op);
        if (kept_one != on_kept.end()) return kept_one->second(arguments);
        const std::string handle = arguments.text("session");
        if (op == "new") return sessions_.add(handle, options(handle, arguments.object("options"))), Value();
        if (op == "close") return sessions_.remove(handle), Value();
        if (op == "fork") return in_fork(sessions_.lock(), [&] { be_fork(arguments); }, arguments.text("gate").empty());
        return calls.at(op)(*sessions_.get(handle), arguments);
    }

    void be_fork(const Arguments& arguments) {
        lines_.leave();
        Array answers;
        for (const Arguments& one : arguments.objects("calls")) {
            try {
                answers.push_back(call(one));
            } catch (const tr::TRException& error) {
                answers.push_back(error.code());
            }
        }
        std::ofstream(arguments.text("results")) << tr::detail::json::write(Value(answers));
        if (!arguments.text("gate").empty()) pass_gate(arguments.text("gate"));
        sessions_.clear();
    }

    tr::SessionOptions options(const std::string& handle, const Arguments& arguments) {
        tr::SessionOptions options = read_options(arguments);
        if (arguments.text("output") == "callback") options.output = callback(handle, arguments.object("callback"));
        return options;
    }

    tr::OutputCallback callback(const std::string& handle, const Arguments& how) {
        const std::chrono::microseconds pause(how.number("pause_us"));
        const bool makes_calls = how.flag("calls");
        const bool raises = !how.text("raises").empty();
        return [this, handle, pause, makes_calls, raises, gate = how.text("gate")](const tr::OutputLine& line) mutable {
            report(handle, line.text, line.stream, line.message);
            if (!gate.empty()) pass_gate(std::exchange(gate, ""));
            if (pause.count() != 0) std::this_thread::sleep_for(pause);
            if (raises) throw 42;
            if (makes_calls && line.text.substr(0, 5) == "call ")
                report(handle, called(handle, line.text.substr(5)), "called", line.message);
        };
    }

    std::string called(const std::string& handle, std::string_view request) {
        Object arguments = *tr::detail::json::parse(request).get_if<Object>();
        arguments.set("session", handle);
        try {
            const Value value = call(Arguments(std::move(arguments)));
            const auto* text = value.get_if<std::string>();
            return text ? *text : tr::detail::json::write(value);
        } catch (const tr::TRException& error) {
            return type_name(error);
        }
    }

    void report(const std::string& handle, std::string_view text, std::string_view stream, std::string_view message) {
        lines_.write({{"session", handle}, {"output", text}, {"stream", stream}, {"message", message}});
    }

    Lines lines_;
    Sessions sessions_;
    std::mutex mutex_;  // the number of calls in work
    std::condition_variable idle_;
    int serving_ = 0;
};

}  // namespace

int main() {
    ignore_interrupts();
    Driver().run();
    return 0;
}
