// What supervision decides: when to restart, and what not to send again.
#include <chrono>
#include <exception>
#include <memory>
#include <string>

#include "check.h"
#include "tech_renaissance/detail/host/quarantine.h"
#include "tech_renaissance/detail/host/restart_schedule.h"

using tr::PostMortem;
using tr::RestartPolicy;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::CallPtr;
using tr::detail::Clock;
using tr::detail::Quarantine;
using tr::detail::request_key;
using tr::detail::RestartSchedule;
using namespace std::chrono_literals;

namespace {

CallPtr call_of(const std::string& command, const std::string& parameters) {
    auto made = std::make_shared<Call>();
    made->request.command = command;
    made->request.parameters = parameters;
    return made;
}

// A call with an attachment of these bytes.
class Attached final : public tr::detail::Placement {
public:
    explicit Attached(std::string_view bytes) : bytes_(bytes) {}
    std::string_view tsr() const override { return bytes_; }

private:
    std::string_view bytes_;
};

}  // namespace

TEST("the back-off is doubled with each crash in a row, up to its maximum") {
    RestartPolicy policy;
    policy.limit = 100;
    RestartSchedule schedule(policy);
    const Clock::time_point now{};
    for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10000ms, 10000ms}) {
        CHECK_EQ(expected.count(), schedule.next_wait(0s, now)->count());
    }
    CHECK_EQ(100, schedule.next_wait(10s, now)->count());
    CHECK_EQ(200, schedule.next_wait(9s, now)->count());
}

TEST("after so many restarts within the window no more are made") {
    RestartSchedule schedule(RestartPolicy{});
    const Clock::time_point now{};
    for (int i = 0; i < 5; ++i) CHECK(schedule.next_wait(0s, now + i * 1s).has_value());
    CHECK(!schedule.next_wait(0s, now + 59s).has_value());
    CHECK(schedule.next_wait(0s, now + 60s).has_value());
    CHECK(!schedule.next_wait(0s, now + 60s).has_value());
    schedule.reset();
    CHECK_EQ(100, schedule.next_wait(0s, now + 60s)->count());
}

TEST("a limit of none restarts nothing") {
    RestartPolicy policy;
    policy.limit = 0;
    CHECK(!RestartSchedule(policy).next_wait(0s, Clock::time_point{}).has_value());
}

TEST("calls are the same if their bodies are, attachments included") {
    const auto key = [](std::string_view bytes, tr::Attachment::Kind kind, bool typed, tr::Body::Form form) {
        Call made;
        made.request.command = "x";
        made.request.typed = typed;
        made.request.form = form;
        made.attachments.push_back({kind, std::make_shared<Attached>(bytes)});
        return request_key(made);
    };
    const auto bytes = tr::Attachment::Kind::Bytes;
    const auto text = tr::Body::Form::Text;
    CHECK_EQ(key("abc", bytes, true, text), key("abc", bytes, true, text));
    CHECK(key("abc", bytes, true, text) != key("abd", bytes, true, text));
    CHECK(key("abc", bytes, true, text) != key("abc", tr::Attachment::Kind::Tensor, true, text));
    CHECK(key("abc", bytes, true, text) != key("abc", bytes, false, text));
    CHECK(key("abc", bytes, true, text) != key("abc", bytes, true, tr::Body::Form::Json));
    CHECK(request_key(*call_of("x", "a")) != request_key(*call_of("x", "b")));
}

TEST("a request that was in work at two deaths is quarantined, until it is forgiven") {
    Quarantine quarantine;
    const auto death = std::make_shared<PostMortem>();
    const CallPtr deadly = call_of("crash", "now");
    quarantine.note(*deadly, std::make_shared<PostMortem>());
    CHECK(quarantine.refuse(*deadly) == nullptr);
    quarantine.note(*call_of("crash", "now"), death);
    CHECK_THROWS(WorkerLost, "quarantined", std::rethrow_exception(quarantine.refuse(*deadly)));
    try {
        std::rethrow_exception(quarantine.refuse(*deadly));
    } catch (const WorkerLost& error) {
        CHECK(error.post_mortem() == death);
    }
    CHECK(quarantine.refuse(*call_of("crash", "later")) == nullptr);
    quarantine.clear();
    CHECK(quarantine.refuse(*deadly) == nullptr);
}
