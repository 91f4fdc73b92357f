// The thread that notices the end of a worker's process makes the record of it: spec/life.md, Post-mortem.
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/host/work_record.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/detail/process/interpreter.h"
#include "tech_renaissance/detail/process/memory.h"
#include "tech_renaissance/detail/process/process.h"
#include "tech_renaissance/detail/protocol/connection.h"
#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/transport/session_place.h"
#include "tech_renaissance/detail/transport/worker_info.h"
#include "tech_renaissance/post_mortem.h"

namespace tr::detail {

// For one worker. Make it just before the process. Thread-safe; shared with the thread that watches the process. It
// takes no lock that anyone holds while waiting for the process.
class Coroner {
public:
    using FindBegun = std::function<std::vector<Begun>(const std::vector<Connection::Id>&)>;

    // find_begun: which of the requests with these ids the worker has begun and not answered. told is called when the
    // record has been made.
    Coroner(SessionPlace place, std::string interpreter, FindBegun find_begun, std::function<void()> told)
        : place_(std::move(place)),
          interpreter_(std::move(interpreter)),
          find_begun_(std::move(find_begun)),
          told_(std::move(told)) {}

    // What the worker is doing, for the exchange to keep up to date.
    WorkRecord& work() noexcept { return work_; }

    // Notes why the host ends it. The first reason counts.
    void ended_by_host(const std::string& why) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (ended_by_host_.empty()) ended_by_host_ = why;
    }

    // Notes that it is ended because of a call, which is then what it was busy with, even if it answers on its way out.
    void ended_for_call(Connection::Id id) {
        std::optional<InWork> in_work;
        for (const InWork& begun : begun_calls()) {
            if (begun.call->request.id == id) in_work = begun;
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!ended_for_) ended_for_ = std::move(in_work);
    }

    // The call that it was serving when the process ended; null for none.
    CallPtr last_call() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return last_call_;
    }

    // Null until the process has ended.
    std::shared_ptr<const PostMortem> post_mortem() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return post_mortem_;
    }

    // From now on nothing is written there.
    void leave_directory() noexcept { has_left_directory_ = true; }

    // Makes the record, and writes it to the directory if possible.
    void process_ended(const ProcessEnd& end) {
        // As it serves one after the other, this is the newest call that it began and has not answered.
        const std::vector<InWork> begun = begun_calls();
        std::optional<InWork> in_work = begun.empty() ? std::nullopt : std::optional<InWork>(begun.back());
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (ended_for_) in_work = ended_for_;
        }
        describe(*record_, end, in_work);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (in_work) last_call_ = in_work->call;
            post_mortem_ = record_;
        }
        if (!has_left_directory_ && !place_.is_lost()) write(*record_);
        if (told_) told_();
    }

private:
    static double now_s() {
        return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    }

    // The calls that the worker is busy with, oldest first. That excludes sent requests that it never saw, and those
    // that it has answered, also if nobody has taken the answer yet.
    std::vector<InWork> begun_calls() const {
        const std::deque<InWork> calls = work_.calls();
        try {
            const std::vector<Begun> begun = find_begun_(ids_of(calls));
            // Asked again, because an answer may have been taken before its place was looked at.
            return only_begun(work_.calls(), begun);
        } catch (const std::exception&) {  // if unknown, it counts as begun
            return {calls.begin(), calls.end()};
        }
    }

    // Never fails: if memory runs out, the record says less.
    void describe(PostMortem& death, const ProcessEnd& end, const std::optional<InWork>& in_work) const noexcept {
        death.pid = end.pid;
        death.exit_status = end.exit_status;
        death.started_at = started_at_;
        death.ended_at = now_s();
        try {
            describe_work(death, in_work);
            examine(death, end);
            describe_worker(death);
        } catch (const std::exception&) {
        }
    }

    void describe_work(PostMortem& death, const std::optional<InWork>& in_work) const {
        death.moment = in_work ? "busy" : work_.moment();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            death.ended_by_host = ended_by_host_;
        }
        if (!in_work) return;
        death.message = shortened(message_of(in_work->call->request), longest_message);
        death.running_s = std::chrono::duration<double>(Clock::now() - in_work->since).count();
    }

    void examine(PostMortem& death, const ProcessEnd& end) const {
        death.signal = signal_of(end.exit_status);
        death.traceback = last_traceback(end.error_tail, end.exit_status);
        death.stack = native_fault(end.error_tail);
        death.output_tail = end.output_tail;
        const std::optional<std::uint64_t> peak = peak_nbytes(end.pid);
        if (peak && *peak > end.inherited_peak_nbytes) death.memory_peak_nbytes = peak;
        death.out_of_memory = death.signal == "SIGKILL" && !end.killed && out_of_memory_.has_grown();
        death.interpreter = interpreter_;
    }

    void describe_worker(PostMortem& death) const {
        try {
            const json::Object info = read_worker_info(place_.directory());
            death.python = optional_string(info, "python");
            death.tech_renaissance = optional_string(info, "tech_renaissance");
        } catch (const std::exception&) {  // the worker wrote nonsense
        }
        if (death.python.empty()) death.python = named_version(interpreter_);
    }

    void write(const PostMortem& death) const noexcept {
        try {
            write("post_mortem.json", json::write(to_json(death)) + "\n");
            write("status.txt", "terminated");
        } catch (const std::exception&) {  // the directory was removed or the disk is full; the object remains
        }
    }

    void write(const char* name, const std::string& text) const {
        write_file(place_.directory() / name, {{text.data(), text.size()}});
    }

    SessionPlace place_;
    std::string interpreter_;
    FindBegun find_begun_;
    std::function<void()> told_;
    double started_at_ = now_s();
    OutOfMemoryCount out_of_memory_;
    WorkRecord work_;
    std::shared_ptr<PostMortem> record_ = std::make_shared<PostMortem>();  // allocated while there is memory
    std::atomic<bool> has_left_directory_{false};
    mutable std::mutex mutex_;  // for everything below
    std::string ended_by_host_;
    std::optional<InWork> ended_for_;
    CallPtr last_call_;
    std::shared_ptr<const PostMortem> post_mortem_;
};

}  // namespace tr::detail
