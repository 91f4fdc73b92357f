// A supervisor whose thread hears of a crash only after the user has said what becomes of the session. The worker is a
// shell script that serves over files and takes no request; nobody tells the supervisor that it has ended.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "check.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "temporary_directory.h"

using tr::SessionClosed;
using tr::detail::Caller;
using tr::detail::CallPtr;
using tr::detail::Life;
using tr::detail::Supervisor;
using tr::detail::WorkerPtr;
using namespace std::chrono_literals;

namespace {

struct Supervised {
    TemporaryDirectory folder;
    Life life{options(), [] {}};
    Caller caller{life, {[] {}, [] {}}};
    Supervisor& supervisor = *caller.supervisor();

    Supervised() { start(); }
    ~Supervised() {
        caller.close();
        life.end();
        caller.end();
    }
    Supervised(const Supervised&) = delete;
    Supervised& operator=(const Supervised&) = delete;

    tr::SessionOptions options() const {
        std::ofstream(folder / "worker") << "echo ready > \"$TR_WORKSPACE/python_session/tr_session_$1/status.txt\"\n"
                                            "exec sleep 3600\n";
        tr::SessionOptions options;
        options.script_path = (folder / "worker").string();
        options.python = "/bin/sh";
        options.workspace = folder.path();
        options.transport = "file";
        options.restart = tr::Restart::on_crash;
        options.restart_policy.first_backoff = 0ms;
        options.quiet_mode = true;
        return options;
    }

    void start() {
        supervisor.prepare();
        CHECK(!supervisor.hurry());
        if (life.start()) supervisor.watch(life.worker());
        CHECK(life.worker()->exchange().wait_started(1min));
    }
    CallPtr put_in_line() {
        const CallPtr call = caller.make_call("command", tr::CallOptions());
        caller.put_in_line(call);
        return call;
    }
    void crash() {
        const WorkerPtr worker = life.worker();
        ::kill(static_cast<pid_t>(worker->process().pid()), SIGKILL);
        CHECK(worker->process().wait(1min));
        CHECK(worker->has_crashed());
    }
};

}  // namespace

TEST("a crash that comes to light after the user has ended the worker is not made good") {
    Supervised f;
    const CallPtr sent = f.put_in_line();
    const CallPtr in_line = f.put_in_line();
    const WorkerPtr crashed = f.life.worker();
    f.crash();
    f.supervisor.stand_down();
    CHECK(!f.supervisor.is_restarting());
    f.life.terminate();
    CHECK(!f.supervisor.hurry());  // after the thread has seen to it
    CHECK(f.life.worker() == crashed);
    for (const CallPtr& call : {sent, in_line}) {
        CHECK(call->done());
        CHECK_THROWS(SessionClosed, "session_closed", call->take());
    }
}

TEST("a worker that the user has wanted to end, and wants again, is replaced when it crashes") {
    Supervised f;
    const WorkerPtr crashed = f.life.worker();
    f.supervisor.stand_down();
    f.start();
    CHECK(f.life.worker() == crashed);
    f.crash();
    f.supervisor.worker_ended();
    CHECK(f.supervisor.wait_served(crashed, tr::detail::deadline_after(1min)));
    CHECK(f.life.worker() != crashed);
    CHECK(f.life.worker()->is_alive());
}

TEST("calls that wait until there is a worker fail when the restart is called off, and only then") {
    for (const auto call_off : {&Supervisor::stand_down, &Supervisor::close}) {
        Supervised f;
        const CallPtr call = f.caller.make_call("command", tr::CallOptions());
        f.life.queue().begin_wait(call);
        f.supervisor.stand_down();  // no restart is pending
        CHECK(!call->done());
        f.start();
        f.crash();
        (f.supervisor.*call_off)();
        CHECK(call->done());
        CHECK_THROWS(SessionClosed, "session_closed", call->take());
        f.life.queue().end_wait(call);
    }
}

TEST("what a worker hands over when its session ends fails, though the supervisor has left") {
    Supervised f;
    const CallPtr sent = f.put_in_line();
    const CallPtr in_line = f.put_in_line();
    f.crash();
    f.caller.close();
    f.life.end();
    f.caller.end();
    for (const CallPtr& call : {sent, in_line}) {
        CHECK(call->done());
        CHECK_THROWS(SessionClosed, "session_closed", call->take());
    }
}
