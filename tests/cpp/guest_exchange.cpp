// Plays vectors of spec/vectors/exchange on an exchange, for tests/test_exchange_vectors.py: one vector in a line of
// stdin, the outcomes of its steps in a line of stdout.
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/exchange.h"
#include "tech_renaissance/detail/protocol/json.h"

namespace {

using namespace tr::detail;
using namespace std::chrono_literals;
using Id = std::int64_t;

// A worker that says what it is told to, and notes what it is sent.
class Script final : public HostTransport {
public:
    PlacedAttachment place(const tr::Attachment& attachment) override { return {attachment.kind, nullptr}; }
    bool can_stream() const override { return true; }
    bool try_send_credit(std::int64_t id, std::uint32_t count) override {
        if (room == 0) return false;
        --room;
        sent.emplace_back(json::Array{id, static_cast<std::int64_t>(count)});
        return true;
    }
    bool try_send(const Request& request, const std::vector<PlacedAttachment>&) override {
        if (room == 0) return false;
        --room;
        sent.emplace_back(request.id.value_or(0));
        return true;
    }
    std::optional<Arrival> receive(std::chrono::milliseconds) override {
        if (says.empty()) return std::nullopt;
        Arrival arrival = std::move(says.front());
        says.pop_front();
        return arrival;
    }
    std::vector<Begun> begun(const std::vector<Id>& ids) override {
        std::vector<Begun> found;
        for (const Id id : ids) {
            for (const Id begun : in_work) {
                if (begun == id) found.push_back({id, std::nullopt, suspended.count(id) != 0});
            }
        }
        return found;
    }
    std::set<std::int64_t> answered() override { return {}; }
    bool try_send_item(const InputItem& item) override {
        if (room == 0) return false;
        --room;
        json::Object note{{"item", item.id}};
        if (item.is_last) note.set("last", true);
        sent.emplace_back(std::move(note));
        return true;
    }
    bool try_send_answer(const Answer& answer) override {
        if (room == 0) return false;
        --room;
        json::Object note{{"answer", answer.id}};
        if (answer.failure) note.set("error", answer.failure->code);
        sent.emplace_back(std::move(note));
        return true;
    }
    void ask_to_cancel(Id id) override {
        listed.emplace_back(id);
        if (resumes.count(id) != 0) suspended.clear();
    }
    void ask_to_stop(Id id) override { listed.emplace_back(json::Object{{"stop", id}}); }
    void wake() noexcept override {}
    std::vector<WaitHandle> members() const override { return {}; }
    bool begin_sleep() noexcept override { return true; }
    void end_sleep() noexcept override {}
    std::chrono::milliseconds longest_sleep() noexcept override { return 1s; }
    Offer prepare() override { return {}; }
    void watch_exit(WaitHandle) override {}
    void put_tensor(const std::string&, const tr::Tensor&) override {}
    void drop_tensor(const std::string&) override {}
    std::vector<std::string> tags() override { return {}; }
    tr::Tensor empty(const tr::Shape& shape, tr::DType dtype) override { return tr::Tensor::empty(shape, dtype); }

    std::int64_t room = 1000;
    std::vector<Id> in_work;
    std::set<Id> suspended;
    std::set<Id> resumes;  // once they are listed
    json::Array sent;
    json::Array listed;
    std::deque<Arrival> says;
};

std::exception_ptr lost() { return std::make_exception_ptr(tr::WorkerLost("worker_lost", "it died")); }

std::exception_ptr cancelled(const Request& request) {
    return ended_call(request, EndReason::cancel, {"notice", "", nullptr});
}

// One worker, and its exchange.
struct Worker {
    Worker(CallQueue& queue, bool restarts, bool is_open) : exchange(script, work, queue, hooks(restarts), is_open) {}

    ExchangeHooks hooks(bool restarts) {
        ExchangeHooks hooks;
        hooks.has_exited = [this] { return is_dead; };
        hooks.death = [](bool, std::chrono::milliseconds) { return lost(); };
        hooks.hands_over = [restarts] { return restarts; };
        return hooks;
    }

    Script script;
    WorkRecord work;
    bool is_dead = false;
    Exchange exchange;
};

struct Played {
    CallPtr call;
    Worker* worker = nullptr;  // that it was given up at
};

std::int64_t number_of(const json::Value& value) { return value.get_if<json::Number>()->as_int64().value(); }

// How often something happens in a step.
std::int64_t times_of(const json::Object& step) {
    const json::Value* times = find_member(step, "times");
    return times ? number_of(*times) : 1;
}

std::set<Id> ids_of(const json::Value* numbers) {
    std::set<Id> ids;
    if (numbers == nullptr) return ids;
    for (const json::Value& number : *numbers->get_if<json::Array>()) ids.insert(number_of(number));
    return ids;
}

// A session's calls, from one worker to the next.
class Play {
public:
    explicit Play(bool restarts) : restarts_(restarts) { start(true); }

    json::Object take(const json::Object& step) {
        const json::Member& first = *step.begin();
        if (first.value.get_if<json::Number>() && first.key != "room") {
            of_call(first.key, number_of(first.value), step);
        } else {
            of_worker(first.key, first.value, step);
        }
        worker().exchange.state();
        settle_ended();
        json::Object calls;
        json::Object progress;
        for (const auto& [id, played] : calls_) {
            calls.set(std::to_string(id), state_of(id, played));
            const Talk* const talk = played.call->talk();
            if (talk != nullptr && talk->newest()) progress.set(std::to_string(id), *done_of(talk->newest()));
        }
        Script& script = worker().script;
        const std::optional<Id> hears = std::exchange(hears_, std::nullopt);
        return json::Object{{"sends", std::exchange(script.sent, {})},
                            {"lists", std::exchange(script.listed, {})},
                            {"hears", hears ? json::Value(*hears) : json::Value()},
                            {"calls", std::move(calls)},
                            {"progress", std::move(progress)}};
    }

private:
    Worker& worker() { return *workers_.back(); }
    void start(bool is_open) { workers_.push_back(std::make_unique<Worker>(queue_, restarts_, is_open)); }

    void of_call(const std::string& what, Id id, const json::Object& step) {
        Played& played = calls_[id];
        if (what == "ask") {
            played.call = std::make_shared<Call>();
            played.call->request.command = "x";
            played.call->request.id = id;
            played.call->idempotent = find_member(step, "idempotent") != nullptr;
            played.call->on_progress = [](const tr::Progress&) {};
            if (find_member(step, "streams")) played.call->items = std::make_unique<Items>();
            if (find_member(step, "input")) played.call->feed = std::make_unique<Feed>();
            if (!worker().exchange.send(played.call, 0ms)) played.call->abandoned = true;
        } else if (what == "expire") {
            played.call->set_deadline(Clock::now());
            worker().exchange.expire(played.call);
        } else if (what == "end") {
            CallPtr ended;
            if (!worker().exchange.begin_end(id, EndReason::cancel, ended))
                throw std::runtime_error("the call is not in work");
            played.worker = &worker();
        } else if (what == "abandon") {
            played.call->abandoned = true;
            if (!queue_.end(*played.call, nullptr)) worker().exchange.abandon(played.call);
        } else if (what == "close") {
            played.call->abandoned = true;
            if (!queue_.end(*played.call, nullptr)) worker().exchange.close_stream(played.call);
        } else if (what == "cancel") {
            played.call->cancelled = true;
            if (queue_.end(*played.call, unbegun(*played.call, EndReason::cancel))) return;
            if (!worker().exchange.cancel(played.call)) played.worker = &worker();
        } else if (what == "stop") {
            if (queue_.end(*played.call, unbegun(*played.call, EndReason::cancel))) return;
            worker().exchange.stop(played.call);
        } else if (what == "hear") {
            if (Talk* const talk = played.call->talk()) hears_ = done_of(talk->take_progress());
        } else if (what == "run") {
            if (!played.call->talk()->take_ask()) throw std::runtime_error("there is no Ask");
        } else if (what == "answer") {
            if (played.call->exchange == &worker().exchange) worker().exchange.send_answer({id});
        } else if (what == "push") {
            for (std::int64_t times = times_of(step); times > 0; --times)
                worker().exchange.send_item(played.call, InputItem{id});
        } else if (what == "end input") {
            InputItem last{id};
            last.is_last = true;
            worker().exchange.send_item(played.call, last);
        } else if (what == "take") {
            for (std::int64_t times = times_of(step); times > 0; --times) {
                if (!played.call->items->take()) throw std::runtime_error("there is no item");
                if (played.call->items->owes()) worker().exchange.send_credit(played.call);
            }
        }
    }

    void of_worker(const std::string& what, const json::Value& value, const json::Object& step) {
        Script& script = worker().script;
        if (what == "frame") {
            for (std::int64_t times = times_of(step); times > 0; --times)
                script.says.push_back(arrival(*value.get_if<std::string>(), step));
        } else if (what == "in work") {
            script.in_work.clear();
            for (const json::Value& id : *value.get_if<json::Array>()) script.in_work.push_back(number_of(id));
            script.suspended = ids_of(find_member(step, "suspended"));
            script.resumes = ids_of(find_member(step, "resumes"));
        } else if (what == "room") {
            script.room = number_of(value);
        } else if (what == "leave") {
            worker().exchange.ask_to_leave(0ms);
        } else if (what == "dies") {
            worker().is_dead = true;
        } else if (what == "next") {
            worker().exchange.close();
            start(false);
        } else if (what == "open") {
            worker().exchange.open();
        }
    }

    static Arrival arrival(const std::string& kind, const json::Object& step) {
        const std::optional<Id> id = decode_positive(step, "id");
        if (kind == "Ready") return ready_of(step);
        if (kind == "Exiting") return Exiting{};
        if (kind == "Unreadable") return Unreadable{tr::RemoteProtocolError("bad_frame", "nonsense"), id};
        if (kind == "Item") return Item{id, tr::Body{}};
        if (kind == "Ask") return Ask{id, "f", tr::Body{}};
        if (kind == "Progress") return Told{id, {static_cast<double>(number_of(*find_member(step, "done")))}};
        if (kind == "Credit") return Granted{id, static_cast<std::uint32_t>(*decode_positive(step, "count"))};
        Reply reply;
        reply.response.id = id;
        if (find_member(step, "refused")) reply.response.error = Failure{"cancelled", "not begun", "", ""};
        return reply;
    }

    // Whole numbers in vectors.
    static std::optional<Id> done_of(const std::optional<tr::Progress>& progress) {
        return progress ? std::optional<Id>(static_cast<Id>(progress->done)) : std::nullopt;
    }

    // As whoever ends a call does, once its worker has died.
    void settle_ended() {
        for (auto& [id, played] : calls_) {
            if (played.worker && played.worker->is_dead && !played.call->done())
                played.worker->exchange.fail(*played.call, cancelled(played.call->request));
        }
    }

    static bool is_unanswered(Id id, Worker& worker) { return !worker.exchange.wait_over(id, 0ms); }

    std::string state_of(Id id, const Played& played) {
        const Call& call = *played.call;
        const bool is_sent = is_unanswered(id, worker());
        if (call.abandoned) return is_sent ? "given up" : "forgotten";
        if (call.done()) return outcome_of(id);
        if (!is_sent) return "queued";
        if (played.worker) return "given up";
        return worker().exchange.is_asking(call) ? "asking" : "sent";
    }

    const std::string& outcome_of(Id id) {
        std::string& outcome = outcomes_[id];
        if (!outcome.empty()) return outcome;
        try {
            calls_[id].call->take();
            outcome = "answered";
        } catch (const tr::TRException& error) {
            outcome = error.code();
        }
        return outcome;
    }

    bool restarts_;
    CallQueue queue_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::map<Id, Played> calls_;
    std::map<Id, std::string> outcomes_;
    std::optional<Id> hears_;
};

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json::Value vector = json::parse(line);
        const json::Object& object = as_object(vector, "a vector");
        Play play(find_member(object, "restarts") != nullptr);
        json::Array outcomes;
        for (const json::Value& step : *object.find("steps")->get_if<json::Array>()) {
            outcomes.push_back(play.take(as_object(step, "a step")));
        }
        std::cout << json::write(outcomes) << std::endl;
    }
}
