// The implementation of PythonSession: a life and its calls.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/call_options.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/base/names.h"
#include "tech_renaissance/detail/base/utf8.h"
#include "tech_renaissance/detail/host/beacon.h"
#include "tech_renaissance/detail/host/caller.h"
#include "tech_renaissance/detail/host/door.h"
#include "tech_renaissance/detail/host/life.h"
#include "tech_renaissance/detail/host/poster.h"
#include "tech_renaissance/detail/host/supervisor.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/surface/future.h"
#include "tech_renaissance/detail/surface/reply.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/post_mortem.h"
#include "tech_renaissance/session_options.h"
#include "tech_renaissance/tensor.h"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace detail {

inline SessionOptions options_of(const std::string& script_path, const std::string& session_id, bool quiet_mode) {
    SessionOptions options;
    options.script_path = script_path;
    options.session_id = session_id;
    options.quiet_mode = quiet_mode;
    return options;
}

inline CallOptions within(std::uint32_t timeout_ms) {
    return {std::chrono::milliseconds(timeout_ms), std::nullopt, false};
}

}  // namespace detail

struct PythonSession::Impl {
    using Milliseconds = std::chrono::milliseconds;
    using Bell = std::weak_ptr<detail::Supervisor>;  // whom to notify of a worker's end, while there is one

    Impl(PythonSession& its_session, SessionOptions options)
        : session(its_session),
          life(std::move(options), [bell = bell] { ring(*bell); }),
          caller(life, {[this] { prepare_restart(); }, [this] { run_hook(); }}),
          door(std::make_shared<detail::Door>(caller)) {
        *bell = caller.supervisor();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (!life.is_ours()) {
            caller.leave_threads();
            static_cast<void>(poster.release());  // so does its thread
            return;
        }
        poster = nullptr;
        door->close([this] {
            caller.close();
            life.end();
            caller.end();
            life.finish_output();  // while everything is there that the callback may use
        });
        life.beacon()->close();
    }

    static void ring(const Bell& bell) {
        if (const auto supervisor = bell.lock()) supervisor->worker_ended();
    }

    // Runs in the supervisor's thread.
    void prepare_restart() {
        if (life.options().restart_policy.keep_tags) return;
        for (const std::string& tag : life.transport().tags()) {
            if (!detail::is_reserved_tag(tag)) life.transport().drop_tensor(tag);
        }
    }

    void run_hook() {
        if (life.options().on_restart) life.options().on_restart(session);
    }

    void launch() {
        life.check_ours();
        const auto& supervisor = caller.supervisor();
        if (supervisor) supervisor->prepare();
        if (supervisor && supervisor->hurry()) return;
        if (!life.start()) return;
        if (supervisor) supervisor->watch(life.worker());
        const std::lock_guard<std::mutex> lock(asked_mutex);
        asked.clear();
    }

    // The user wants no worker.
    void stand_down() {
        life.check_ours();
        if (caller.supervisor()) caller.supervisor()->stand_down();
    }

    detail::CallPtr take_asked() {
        const std::lock_guard<std::mutex> lock(asked_mutex);
        if (asked.empty())
            throw LocalProtocolError("no_request", "there is no request to wait for: send_request comes first");
        detail::CallPtr call = asked.front();
        asked.pop_front();
        return call;
    }

    detail::Reply wait(std::uint32_t timeout_ms) {
        caller.worker();
        const detail::CallPtr call = take_asked();
        const Milliseconds timeout(timeout_ms);
        try {
            return caller.answer(call, detail::deadline_after(timeout), timeout);
        } catch (const TRException& error) {
            // The wait has failed, or was refused, and not the call.
            const bool has_failed = error.code() == "timed_out", was_refused = error.code() == "would_wait_for_itself";
            const std::lock_guard<std::mutex> lock(asked_mutex);
            if (has_failed || was_refused) asked.push_front(call);
            has_timed_out = has_timed_out || has_failed;
            throw;
        }
    }

    void forget_timed_out() {
        const std::lock_guard<std::mutex> lock(asked_mutex);
        if (!std::exchange(has_timed_out, false)) return;
        for (auto call = asked.begin(); call != asked.end();) {
            if ((*call)->timed_out) {
                caller.abandon(*call);
                call = asked.erase(call);
            } else {
                ++call;
            }
        }
    }

    PythonSession& session;
    std::shared_ptr<Bell> bell = std::make_shared<Bell>();
    detail::Life life;
    detail::Caller caller;
    std::shared_ptr<detail::Door> door;
    std::mutex poster_mutex;
    std::unique_ptr<detail::Poster> poster;  // while there is an executor
    std::mutex asked_mutex;
    std::deque<detail::CallPtr> asked;  // calls of send_request whose answers have not been fetched
    bool has_timed_out = false;         // whether a wait for one of them has timed out
};

TR_INLINE PythonSession::PythonSession(const std::string& script_path, const std::string& session_id, bool quiet_mode)
    : PythonSession(detail::options_of(script_path, session_id, quiet_mode)) {}
TR_INLINE PythonSession::PythonSession(SessionOptions options)
    : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
TR_INLINE PythonSession::~PythonSession() {
    const auto& supervisor = impl_->caller.supervisor();
    if (!impl_->life.is_ours() || !supervisor || !supervisor->is_own_thread()) return;
    // This is on_restart, whose thread cannot wait for its own end.
    Impl* const impl = impl_.release();
    const detail::SignalsBlocked blocked;
    try {
        std::thread([impl] { delete impl; }).detach();
    } catch (const std::exception&) {  // the system has no thread left: the worker ends with this process
    }
}

TR_INLINE const std::string& PythonSession::session_id() const noexcept { return impl_->life.options().session_id; }

TR_INLINE const std::string& PythonSession::session_dir() const noexcept { return impl_->life.path(); }

TR_INLINE void PythonSession::set_quiet_mode(bool quiet) { impl_->life.set_quiet(quiet); }

// ---------------------------------------------------------------------- life

TR_INLINE void PythonSession::start(std::uint32_t wait_ms) {
    impl_->launch();
    if (wait_ms > 0) impl_->caller.worker()->wait_started(std::chrono::milliseconds(wait_ms), true);
}

TR_INLINE bool PythonSession::is_alive() const {
    const detail::WorkerPtr worker = impl_->life.worker();
    return worker && worker->is_alive();
}

TR_INLINE void PythonSession::please_exit(std::uint32_t timeout_ms, bool ensure) {
    impl_->stand_down();
    const detail::WorkerPtr worker = impl_->life.worker();
    if (!worker || worker->leave(std::chrono::milliseconds(timeout_ms))) return;
    if (!ensure) throw TimedOut("the worker did not exit within " + std::to_string(timeout_ms) + " ms");
    terminate();
}

TR_INLINE void PythonSession::terminate() {
    impl_->stand_down();
    impl_->life.terminate();
}

TR_INLINE bool PythonSession::join(std::uint32_t timeout_ms) const {
    const detail::WorkerPtr worker = impl_->life.worker();
    return !worker || worker->process().wait(std::chrono::milliseconds(timeout_ms));
}

TR_INLINE std::string PythonSession::cancel() {
    const detail::WorkerPtr worker = impl_->life.worker();
    const std::optional<detail::InWork> in_work = worker ? worker->exchange().in_work(true) : std::nullopt;
    if (!in_work) return impl_->caller.cancel_waiting();
    const detail::Request& request = in_work->call->request;
    return worker->end_call(*request.id, detail::message_of(request), detail::EndReason::cancel);
}

// --------------------------------------------------------------------- state

TR_INLINE SessionState PythonSession::state() const {
    const detail::WorkerPtr worker = impl_->life.worker();
    if (!worker) return {"none"};
    const auto& supervisor = impl_->caller.supervisor();
    if (supervisor && supervisor->is_restarting()) return {"restarting"};
    if (!worker->is_alive()) {
        const bool is_lost = worker->was_lost() || (supervisor && supervisor->has_given_up());
        return {is_lost ? "lost" : "exited"};
    }
    const detail::State state = worker->exchange().state();
    const std::optional<detail::InWork> in_work = worker->exchange().in_work();
    if (state == detail::State::exited) return {"exiting"};  // it has said so, but its process still runs
    if (state != detail::State::busy || !in_work) return {detail::name_of(state)};
    const char* const asking_or_busy = worker->exchange().is_asking(*in_work->call) ? "asking" : "busy";
    return {in_work->call->is_overdue() ? "hung" : asking_or_busy, detail::message_of(in_work->call->request),
            detail::Clock::now() - in_work->since};
}

TR_INLINE std::string PythonSession::stack() const {
    const detail::WorkerPtr worker = impl_->life.worker();
    return worker ? worker->stacks() : "";
}

TR_INLINE std::shared_ptr<const PostMortem> PythonSession::post_mortem() const { return impl_->life.post_mortem(); }

TR_INLINE bool PythonSession::is_ready() const {
    return is_alive() && impl_->caller.worker()->exchange().state() == detail::State::ready;
}

TR_INLINE bool PythonSession::is_busy() const {
    return is_alive() && impl_->caller.worker()->exchange().state() == detail::State::busy;
}

TR_INLINE bool PythonSession::wait_until_ready(std::uint32_t timeout_ms) const {
    return impl_->caller.worker()->wait_started(std::chrono::milliseconds(timeout_ms));
}

TR_INLINE bool PythonSession::wait_until_ok(std::uint32_t timeout_ms) const {
    const detail::WorkerPtr worker = impl_->caller.ready_worker();
    return worker->exchange().wait_idle(std::chrono::milliseconds(timeout_ms)) && !worker->exchange().last_failed();
}

TR_INLINE bool PythonSession::new_response() const {
    const detail::WorkerPtr worker = impl_->caller.worker();
    const std::lock_guard<std::mutex> lock(impl_->asked_mutex);
    return !impl_->asked.empty() && worker->exchange().is_done(impl_->asked.front());
}

// --------------------------------------------------------------------- calls

TR_INLINE void PythonSession::send_request(const std::string& message, const CallOptions& options) const {
    detail::Caller& caller = impl_->caller;
    const auto forget_timed_out = [this] { impl_->forget_timed_out(); };
    const detail::CallPtr call = caller.make_call(message, options);
    const auto timeout = options.timeout.value_or(impl_->life.options().launch_timeout);
    if (call->request.is_exit()) return caller.ask_to_leave(forget_timed_out);
    caller.submit(call, timeout, forget_timed_out);
    const std::lock_guard<std::mutex> lock(impl_->asked_mutex);
    impl_->asked.push_back(call);
}

TR_INLINE std::string PythonSession::read_response() const { return wait_for_response(0); }

TR_INLINE std::string PythonSession::wait_for_response(std::uint32_t timeout_ms) const {
    return detail::text_of(impl_->wait(timeout_ms));
}

TR_INLINE Tensor PythonSession::wait_for_tensor(std::uint32_t timeout_ms) const {
    return wait_for_tensors(timeout_ms).front();
}

TR_INLINE std::vector<Tensor> PythonSession::wait_for_tensors(std::uint32_t timeout_ms) const {
    return detail::tensors_of(impl_->wait(timeout_ms));
}

TR_INLINE std::string PythonSession::fetch_response(const std::string& message, std::uint32_t timeout_ms) const {
    return fetch_response(message, detail::within(timeout_ms));
}
TR_INLINE std::string PythonSession::fetch_response(const std::string& message, const CallOptions& options) const {
    return detail::text_of(impl_->caller.fetch(message, options));
}

TR_INLINE Tensor PythonSession::fetch_tensor(const std::string& message, std::uint32_t timeout_ms) const {
    return fetch_tensor(message, detail::within(timeout_ms));
}
TR_INLINE Tensor PythonSession::fetch_tensor(const std::string& message, const CallOptions& options) const {
    return fetch_tensors(message, options).front();
}

TR_INLINE std::vector<Tensor> PythonSession::fetch_tensors(const std::string& message, std::uint32_t timeout_ms) const {
    return fetch_tensors(message, detail::within(timeout_ms));
}
TR_INLINE std::vector<Tensor> PythonSession::fetch_tensors(const std::string& message,
                                                           const CallOptions& options) const {
    return detail::tensors_of(impl_->caller.fetch(message, options));
}

TR_INLINE Tensor PythonSession::calculate(const std::string& command, const std::vector<Tensor>& tensors,
                                          std::uint32_t timeout_ms) const {
    return calculate(command, tensors, detail::within(timeout_ms));
}
TR_INLINE Tensor PythonSession::calculate(const std::string& command, const std::vector<Tensor>& tensors,
                                          const CallOptions& options) const {
    detail::Caller& caller = impl_->caller;
    const detail::CallPtr call = caller.make_call(command, options);
    caller.attach(*call, tensors);
    return detail::tensors_of(caller.fetch(call, options)).front();
}

TR_INLINE Body PythonSession::make_call(std::string_view command, Body arguments,
                                        const detail::CallSetup& setup) const {
    detail::Caller& caller = impl_->caller;
    const detail::CallPtr call = caller.make_call(command, std::move(arguments), setup);
    if (setup.source && !caller.can_stream(call)) detail::gather_all(*call, caller);
    return detail::body_of(caller.fetch(call, setup.options));
}

TR_INLINE detail::Pending PythonSession::begin_call(std::string_view command, Body arguments,
                                                    const detail::CallSetup& setup) const {
    const detail::CallPtr call = impl_->caller.make_call(command, std::move(arguments), setup);
    detail::Pending pending(call, impl_->door, setup.options.timeout);  // which gives the call up if what follows fails
    const bool travels_whole = setup.input && !impl_->caller.can_stream(call);
    if (travels_whole && setup.source) detail::gather_all(*call, impl_->caller);
    if (travels_whole && !setup.source)
        call->gathered = std::make_unique<detail::GatheredInput>();
    else
        impl_->caller.put_in_line(call);
    return pending;
}

TR_INLINE bool PythonSession::flush(std::uint32_t timeout_ms) const {
    return impl_->caller.ready_worker()->exchange().wait_flushed(std::chrono::milliseconds(timeout_ms));
}

// ----------------------------------------------------------------- callbacks

TR_INLINE void PythonSession::set_exposed(const std::string& name, detail::ExposedFunction function) {
    detail::check_exposed_name(name);
    impl_->caller.exposed()->set(name, std::move(function));
}

TR_INLINE void PythonSession::unexpose(const std::string& name) {
    detail::check_exposed_name(name);
    impl_->caller.exposed()->remove(name);
}

// --------------------------------------------------------------- event loops

namespace detail {

// Attends a call in a dispatch. Returns what the dispatch is to throw; null if nothing.
inline std::exception_ptr attend_beside(Door& door, const CallPtr& call) noexcept {
    try {
        return door.attend(call, Attending::dispatching);
    } catch (...) {
        return std::current_exception();
    }
}

// Uses nothing of a session but its door, because a callback may end the session.
inline void dispatch(const std::shared_ptr<Door>& door) {
    Beacon::Dispatch turn(*door->beacon());
    const std::vector<CallPtr> with_news = Door::Visit(*door)->dispatch();
    std::exception_ptr first;  // is thrown when all have been attended: nobody else knows of their news
    for (const CallPtr& call : with_news) {
        const std::exception_ptr thrown = attend_beside(*door, call);
        if (!first) first = thrown;
    }
    if (first) std::rethrow_exception(first);
    turn.run_tasks();
}

}  // namespace detail

TR_INLINE void PythonSession::dispatch() const {
    const std::shared_ptr<detail::Door> door = impl_->door;
    detail::dispatch(door);
}

TR_INLINE NativeHandle PythonSession::wait_handle() { return impl_->life.open_beacon(); }

TR_INLINE void PythonSession::on_done(Executor executor) {
    const detail::WaitHandle handle = impl_->life.open_beacon();
    const auto dispatch = [door = impl_->door] {
        try {
            detail::dispatch(door);
        } catch (const SessionClosed&) {  // it has ended meanwhile
            if (!door->is_closed()) throw;
        }
    };
    std::unique_ptr<detail::Poster> poster;  // the last one is destroyed after releasing the lock
    if (executor) poster = std::make_unique<detail::Poster>(handle, std::move(executor), dispatch);
    const std::lock_guard<std::mutex> lock(impl_->poster_mutex);
    impl_->poster.swap(poster);
}

// ------------------------------------------------------------------- tensors

TR_INLINE Tensor PythonSession::empty(const Shape& shape, DType dtype) const {
    return impl_->life.transport().empty(shape, dtype);
}

TR_INLINE void PythonSession::send_tensor(const Tensor& tensor, const std::string& tag) const {
    detail::check_tag_to_send(tag);
    impl_->life.transport().put_tensor(tag, tensor);
}

TR_INLINE void PythonSession::send_tensors(const std::vector<Tensor>& tensors,
                                           const std::vector<std::string>& tags) const {
    if (tensors.size() != tags.size()) {
        throw LocalProtocolError("bad_name", std::to_string(tensors.size()) + " tensors need as many tags, not " +
                                                 std::to_string(tags.size()));
    }
    for (const std::string& tag : tags) detail::check_tag_to_send(tag);
    for (std::size_t i = 0; i < tensors.size(); ++i) send_tensor(tensors[i], tags[i]);
}

TR_INLINE void PythonSession::drop_tensor(const std::string& tag) const {
    detail::check_tag_to_send(tag);
    impl_->life.transport().drop_tensor(tag);
}

}  // namespace tr
