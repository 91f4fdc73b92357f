// The file transport, host's end: every frame and tensor is a file in the session directory. Contract:
// spec/transport-file.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/protocol/call_text.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/open_folder.h"
#include "tech_renaissance/detail/system/run_out.h"
#include "tech_renaissance/detail/transport/file/attached_files.h"
#include "tech_renaissance/detail/transport/file/backoff.h"
#include "tech_renaissance/detail/transport/file/watch.h"
#include "tech_renaissance/detail/transport/session_place.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/detail/transport/worker_info.h"
#include "tech_renaissance/tsr.h"

namespace tr::detail {

// A schedule as in TR_POLL_MS; empty for the default. Throws LocalProtocolError bad_option.
inline Backoff parse_schedule(const std::string& poll_ms) {
    if (poll_ms.empty()) return Backoff();
    const std::optional<Backoff> schedule = Backoff::parse(poll_ms);
    if (schedule) return *schedule;
    throw LocalProtocolError(
        "bad_option", "a waiting schedule is first:max in milliseconds, 0 < first <= max, not '" + poll_ms + "'");
}

class FileHost final : public HostTransport {
public:
    // poll_ms: "first:max", wait by this schedule, without notifications; empty: the default schedule, with
    // notifications. offer: what else to offer workers. REQUIRES: the directory exists. Throws LocalProtocolError
    // bad_option for an invalid schedule.
    FileHost(const std::string& directory, const std::string& poll_ms, Offer offer = {})
        : directory_(to_path(directory)),
          backoff_(parse_schedule(poll_ms)),
          watch_(directory, poll_ms.empty()),
          offer_(std::move(offer)),
          place_(directory_),
          attached_(directory_) {}

    Offer prepare() override {
        exit_handle_ = no_handle;
        ready_ = left_ = false;
        last_answered_ = 0;
        forget_given_up();
        progress_.clear();
        if (is_lost()) find_again();
        attached_.remove_all();
        for (const char* name : {"request.json", ".request.claimed", response_name, "status.txt", "worker.json",
                                 "stack.txt", cancel_name, progress_name, ask_name, answer_name}) {
            remove_anything(directory_ / name);
        }
        return offer_;
    }

    void watch_exit(WaitHandle handle) override { exit_handle_ = handle; }

    PlacedAttachment place(const Attachment& attachment) override {
        return {attachment.kind, std::make_shared<TsrBytes>(attachment.data)};
    }

    bool try_send(const Request& request, const std::vector<PlacedAttachment>& attachments) override {
        const std::filesystem::path path = directory_ / "request.json";
        unpublished_ = request.id.value_or(0);
        if (std::filesystem::exists(path) || is_lost()) return false;  // a worker that lost its directory leaves
        try {
            const std::string text = attachments.empty()
                                         ? encode_request(request, now_ms())
                                         : encode_request(attached_.write(request, attachments), now_ms());
            write_file(path, {{text.data(), text.size()}}, [this] { unpublished_ = 0; });
        } catch (const std::system_error& error) {
            note_lack(error);
            return false;
        }
        forget_lack();
        return true;
    }

    bool can_stream() const override { return false; }
    bool try_send_credit(std::int64_t, std::uint32_t) override { return true; }

    bool try_send_item(const InputItem&) override { return false; }

    bool try_send_answer(const Answer& answer) override {
        const std::filesystem::path path = directory_ / answer_name;
        if (std::filesystem::exists(path) || is_lost()) return false;
        try {
            const auto attachments = attached_.write_answer(answer.id, answer.attachments);
            const std::string text =
                encode_answer_text(answer.id, answer.form, answer.result, answer.failure, attachments);
            write_file(path, {{text.data(), text.size()}});
        } catch (const std::system_error& error) {
            note_lack(error);
            return false;
        }
        forget_lack();
        return true;
    }

    void ask_to_cancel(std::int64_t id) override { list(id, ""); }
    void ask_to_stop(std::int64_t id) override { list(id, "stop "); }

    // The worker takes a request by renaming its file.
    std::vector<Begun> begun(const std::vector<std::int64_t>& ids) override {
        const std::int64_t unpublished = unpublished_;
        const std::optional<std::int64_t> unclaimed = unclaimed_request();
        std::vector<Begun> begun;
        for (const std::int64_t id : ids) {
            if (id != unclaimed && id != unpublished) begun.push_back({id});
        }
        return begun;
    }

    std::set<std::int64_t> answered() override {
        std::set<std::int64_t> ids;
        try {
            const std::optional<std::string> text = read_file(directory_ / response_name);
            if (const auto id = text ? id_of_response(*text) : std::nullopt) ids.insert(*id);
        } catch (const std::system_error&) {
        }
        ids.insert(last_answered_);  // only now, because it is noted before the file is removed
        return ids;
    }

    std::optional<Arrival> receive(std::chrono::milliseconds timeout) override {
        Clock::time_point deadline = deadline_after(timeout);
        while (true) {
            if (std::optional<Arrival> arrival = look()) {
                backoff_.reset();
                return arrival;
            }
            if (lacks_) deadline = std::min(deadline, Clock::now() + lack_patience);  // no event ends a lack
            const std::chrono::milliseconds left = left_until(deadline);
            if (left.count() == 0) return std::nullopt;
            if (watch_.wait(std::min(backoff_.next(), left), exit_handle_) != WatchEvent::timed_out) {
                backoff_.reset();
                return look();
            }
        }
    }

    std::string lack() const override {
        const std::lock_guard<std::mutex> lock(lack_mutex_);
        return lack_;
    }

    void wake() noexcept override { watch_.wake(); }

    std::vector<WaitHandle> members() const override {
        std::vector<WaitHandle> members{exit_handle_};
        if (watch_.notifies()) members.push_back(watch_.handle());
        return members;
    }
    // The watch misses no change, whoever sleeps.
    bool begin_sleep() noexcept override {
        std::error_code error;
        return !std::filesystem::exists(directory_ / response_name, error);
    }
    void end_sleep() noexcept override { watch_.forget_changes(); }
    std::chrono::milliseconds longest_sleep() noexcept override {
        return lacks_ ? std::min(backoff_.next(), lack_patience) : backoff_.next();
    }

    void put_tensor(const std::string& tag, const Tensor& tensor) override {
        check_place(tag);
        tensor.save(tensor_path(tag));
    }

    // Like put_tensor, for a tensor that already is the bytes of a TSR file.
    void put_tsr(const std::string& tag, std::string_view bytes) {
        check_place(tag);
        write_file(tensor_path(tag), {{bytes.data(), bytes.size()}});
    }

    Tensor empty(const Shape& shape, DType dtype) override { return Tensor::empty(shape, dtype); }

    void drop_tensor(const std::string& tag) override {
        if (is_lost()) return;
        const std::filesystem::path path = tensor_path(tag);
        with_file_errors(path, [&] { remove_file(path); });
    }

    // Whether status.txt says that the worker can serve. If so, worker.json has been written, too.
    bool says_ready() const {
        const std::string status = read_status();
        return status == "ready" || status == "busy" || status == "ok";
    }

    std::vector<std::string> tags() override {
        std::vector<std::string> names;
        if (is_lost()) return names;
        for (const std::string& name : OpenFolder(directory_).names()) {
            const std::filesystem::path path = to_path(name);
            if (path.extension() == ".tsr") names.push_back(from_path(path.stem()));
        }
        return names;
    }

private:
    static constexpr const char* response_name = "response.json";
    static constexpr const char* cancel_name = "cancel.txt";
    static constexpr const char* progress_name = "progress.json";
    static constexpr const char* ask_name = "ask.json";
    static constexpr const char* answer_name = "answer.json";
    // How long to wait before retrying what failed because something ran out, such as descriptors.
    static constexpr std::chrono::milliseconds lack_patience{50};
    static constexpr std::uint64_t longest_status_nbytes = 2000;

    static std::int64_t now_ms() {
        const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
    }

    std::filesystem::path tensor_path(const std::string& tag) const { return directory_ / to_path(tag + ".tsr"); }

    // Whether the directory has been removed or replaced.
    bool is_lost() const {
        const std::lock_guard<std::mutex> lock(place_mutex_);
        return place_.is_lost();
    }

    void check_place(const std::string& tag) const {
        if (!is_lost()) return;
        throw FormatError("io_error", shown_path(tensor_path(tag)) +
                                          ": the session directory was removed or replaced: start the session again");
    }

    // Notes what has run out; throws the error again if nothing has.
    void note_lack(const std::system_error& error) {
        if (!has_run_out(error.code())) throw error;
        const std::lock_guard<std::mutex> lock(lack_mutex_);
        lack_ = error.what();
        lacks_ = true;
    }

    void forget_lack() {
        if (!lacks_) return;
        const std::lock_guard<std::mutex> lock(lack_mutex_);
        lack_.clear();
        lacks_ = false;
    }

    // The directory was removed and has been made again.
    void find_again() {
        const std::lock_guard<std::mutex> lock(place_mutex_);
        place_ = SessionPlace(directory_);
        watch_.follow(from_path(directory_));
    }

    std::optional<Arrival> look() {
        if (is_lost()) return std::nullopt;
        if (!is_listed_) write_list_again();
        if (!ready_) return look_for_ready();
        const std::filesystem::path path = directory_ / response_name;
        try {
            std::optional<std::string> text = read_file(path);
            if (std::optional<Arrival> said = look_for_progress()) return said;  // before the response
            if (std::optional<Arrival> asked = look_for_ask()) return asked;
            if (!text) {
                if (!says_that_it_leaves()) return std::nullopt;
                text = read_file(path);  // its last response was written before that
                left_ = !text;
                if (left_) return Exiting{};
            }
            Arrival arrival = read_reply(*text);
            remove_file(path);
            forget_lack();
            return arrival;
        } catch (const RefusedFile& error) {
            remove_anything(path);
            return Unreadable{RemoteProtocolError("bad_frame", error.what())};
        } catch (const std::bad_alloc&) {
            remove_anything(path);
            return Unreadable{RemoteProtocolError("bad_frame", "this host has no memory for the response")};
        } catch (const std::system_error& error) {
            note_lack(error);
            return std::nullopt;
        }
    }

    // It may be replaced at any moment, so it counts as new if its text is.
    std::optional<Arrival> look_for_progress() {
        std::optional<std::string> text = read_file(directory_ / progress_name);
        if (!text || *text == progress_) return std::nullopt;
        progress_ = std::move(*text);
        try {
            auto [id, progress] = decode_progress_text(progress_);
            return Told{id, std::move(progress)};
        } catch (const RemoteProtocolError&) {  // there may be another
            return std::nullopt;
        }
    }

    std::optional<Arrival> look_for_ask() {
        const std::filesystem::path path = directory_ / ask_name;
        const std::optional<std::string> text = read_file(path);
        if (!text) return std::nullopt;
        Ask ask;
        std::vector<NamedAttachment> named;
        try {
            AskText read = decode_ask_text(*text);
            ask = {read.id, std::move(read.name), {read.form, std::move(read.parameters), {}}, read.waiting};
            named = std::move(read.attachments);
            for (const NamedAttachment& one : named)
                ask.arguments.attachments.push_back(checked_attachment(one.kind, load(one.name)));
        } catch (const RemoteProtocolError&) {
            ask = {id_of_response(*text), "", {}, false, std::current_exception()};
        } catch (const std::bad_alloc&) {
            const char* message = "MemoryError: the host cannot take in the ask";
            ask = {id_of_response(*text),
                   "",
                   {},
                   false,
                   std::make_exception_ptr(CommandError("command_failed", message, {"MemoryError", message, ""}))};
        }
        for (const NamedAttachment& one : named) remove_anything(tensor_path(one.name));
        remove_file(path);
        return ask;
    }

    std::optional<Arrival> look_for_ready() {
        ready_ = says_ready();
        if (!ready_) return std::nullopt;
        return ready_of(read_worker_info(directory_));
    }

    // If unknown, all requests count as claimed.
    std::optional<std::int64_t> unclaimed_request() const {
        try {
            const std::optional<std::string> text = read_file(directory_ / "request.json");
            return text ? decode_request(*text).id : std::nullopt;
        } catch (const RemoteProtocolError&) {
        } catch (const std::system_error&) {
        }
        return std::nullopt;
    }

    void forget_given_up() {
        const std::lock_guard<std::mutex> lock(given_up_mutex_);
        given_up_.clear();
        is_listed_ = true;
    }

    // Puts a line into the list of requests that were given up, which is more than to be asked to stop.
    void list(std::int64_t id, const char* what) {
        const std::lock_guard<std::mutex> lock(given_up_mutex_);
        const auto entry = given_up_.emplace(id, what).first;
        if (*what == '\0') entry->second.clear();
        write_list();
    }

    // REQUIRES: given_up_mutex_ is held. If it fails, the next look tries again.
    void write_list() {
        if (is_lost()) return;
        std::string text;
        for (const auto& [given_up, how] : given_up_)
            (text += text.empty() ? "" : "\n") += how + std::to_string(given_up);
        try {
            write_file(directory_ / cancel_name, {{text.data(), text.size()}});
            is_listed_ = true;
        } catch (const std::system_error&) {
            is_listed_ = false;
        }
    }

    void write_list_again() {
        const std::lock_guard<std::mutex> lock(given_up_mutex_);
        write_list();
    }

    // The request has been answered.
    void forget(std::int64_t id) {
        last_answered_ = id;
        attached_.remove(id);
        const std::lock_guard<std::mutex> lock(given_up_mutex_);
        given_up_.erase(id);
    }

    bool says_that_it_leaves() const {
        if (left_) return false;
        const std::string status = read_status();
        return status == "exiting" || status == "terminated";
    }

    Arrival read_reply(const std::string& text) {
        try {
            Reply reply{decode_response(text)};
            if (reply.response.id) forget(*reply.response.id);
            try {
                for (const NamedAttachment& one : reply.response.attachments)
                    reply.attachments.push_back(checked_attachment(one.kind, load(one.name)));
            } catch (const std::bad_alloc&) {
                return not_taken_in(reply.response.id, reply.response.dialect, "MemoryError");
            }
            return reply;
        } catch (const RemoteProtocolError& error) {
            const std::optional<std::int64_t> id = id_of_response(text);
            if (id) forget(*id);
            return Unreadable{error, id};
        }
    }

    Tensor load(const std::string& name) const {
        try {
            const TsrReader file(tensor_path(name), Trust::none);
            Tensor tensor = Tensor::empty(file.header().shape, file.header().dtype);
            file.read(tensor.data_ptr());
            return tensor;
        } catch (const FormatError& error) {
            const auto* of_system = dynamic_cast<const IoError*>(&error);
            if (of_system && has_run_out(of_system->cause())) throw std::system_error(of_system->cause(), error.what());
            throw RemoteProtocolError("bad_frame",
                                      "the response's tensor '" + name + "' cannot be read: " + error.what());
        }
    }

    // Empty if the file cannot be read: whatever is there, the worker is about to replace it.
    std::string read_status() const {
        try {
            std::string status = read_file(directory_ / "status.txt", longest_status_nbytes).value_or("");
            const std::size_t end = status.find_last_not_of(" \t\r\n");
            status.resize(end == std::string::npos ? 0 : end + 1);
            return status;
        } catch (const std::system_error&) {
            return "";
        }
    }

    std::filesystem::path directory_;
    Backoff backoff_;
    DirectoryWatch watch_;
    std::atomic<bool> lacks_{false};
    mutable std::mutex lack_mutex_;  // for lack_
    std::string lack_;
    Offer offer_;
    mutable std::mutex place_mutex_;
    SessionPlace place_;
    AttachedFiles attached_;
    std::mutex given_up_mutex_;                     // for given_up_, and the file
    std::map<std::int64_t, std::string> given_up_;  // how the lines of unanswered requests begin, by their ids
    std::atomic<bool> is_listed_{true};             // whether the file has them all
    std::string progress_;                          // what was read last
    WaitHandle exit_handle_ = no_handle;
    std::atomic<std::int64_t> last_answered_{0};
    std::atomic<std::int64_t> unpublished_{0};  // the request that try_send() has not yet put into its place
    bool ready_ = false;
    bool left_ = false;
};

}  // namespace tr::detail
