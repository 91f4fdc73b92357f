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
using tr::detail::Clock;
using tr::detail::Quarantine;
using tr::detail::Request;
using tr::detail::RestartSchedule;
using namespace std::chrono_literals;

namespace {

Request request(const std::string& command, const std::string& parameters) {
    Request made;
    made.command = command;
    made.parameters = parameters;
    return made;
}

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

TEST("a request that was in work at two deaths is quarantined, until it is forgiven") {
    Quarantine quarantine;
    const auto death = std::make_shared<PostMortem>();
    const Request deadly = request("crash", "_1_0 now");
    quarantine.note(deadly, std::make_shared<PostMortem>());
    CHECK(quarantine.refuse(deadly) == nullptr);
    quarantine.note(request("crash", "_2_0 now"), death);
    CHECK_THROWS(WorkerLost, "quarantined", std::rethrow_exception(quarantine.refuse(deadly)));
    try {
        std::rethrow_exception(quarantine.refuse(deadly));
    } catch (const WorkerLost& error) {
        CHECK(error.post_mortem() == death);
    }
    CHECK(quarantine.refuse(request("crash", "later")) == nullptr);
    quarantine.clear();
    CHECK(quarantine.refuse(deadly) == nullptr);
}
