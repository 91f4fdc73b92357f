// An exchange whose worker is played by the test.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "fake_transport.h"
#include "tech_renaissance/detail/host/exchange.h"

namespace exchange_fixture {

using namespace std::chrono_literals;
using tr::LaunchError;
using tr::WorkerLost;
using tr::detail::Call;
using tr::detail::Exchange;
using tr::detail::ExchangeHooks;
using tr::detail::Ready;
using tr::detail::WorkRecord;

struct Fixture {
    FakeTransport transport;
    std::atomic<bool> exited{false};
    std::atomic<bool> hands_over{false};
    std::vector<std::string> outputs;  // to which the output was switched
    WorkRecord work;
    tr::detail::CallQueue queue;
    std::shared_ptr<tr::detail::Beacon> beacon = std::make_shared<tr::detail::Beacon>();
    Exchange exchange;

    explicit Fixture(bool by_lines = false) : exchange(transport, work, queue, hooks(by_lines)) {}

    ExchangeHooks hooks(bool by_lines) {
        ExchangeHooks hooks;
        hooks.has_exited = [this] { return exited.load(); };
        hooks.death = [](bool starting, std::chrono::milliseconds) {
            return starting ? std::make_exception_ptr(LaunchError("died_at_start", "it died"))
                            : std::make_exception_ptr(WorkerLost("worker_lost", "it died"));
        };
        if (by_lines) hooks.switch_output = [this](const std::string& message) { outputs.push_back(message); };
        hooks.beacon = beacon;
        hooks.hands_over = [this] { return hands_over.load(); };
        return hooks;
    }

    std::shared_ptr<Call> call(std::int64_t id, const std::string& command = "command") {
        auto call = std::make_shared<Call>();
        call->request.command = command;
        call->request.id = id;
        return call;
    }
    std::shared_ptr<Call> sent(std::int64_t id) {
        auto one = call(id);
        CHECK(exchange.send(one, 1min));
        return one;
    }
    Reply reply(const std::shared_ptr<Call>& one) {
        CHECK(exchange.wait(one, 1min));
        return one->take();
    }
    std::string result(const std::shared_ptr<Call>& one) { return reply(one).response.result; }
    // Takes the calls out of the queue.
    std::vector<std::shared_ptr<Call>> in_line() {
        std::vector<std::shared_ptr<Call>> calls;
        queue.send([&](const std::shared_ptr<Call>& one) {
            calls.push_back(one);
            return true;
        });
        return calls;
    }
    void end() {
        exited = true;
        transport.go();
    }
};

struct ReadyFixture : Fixture {
    explicit ReadyFixture(bool by_lines = false) : Fixture(by_lines) {
        transport.say(Ready{});
        CHECK(exchange.wait_started(1min));
    }
};

}  // namespace exchange_fixture
