// A host's end for workers that may or may not support shared memory: it offers shared memory to each worker, but
// switches to files if the worker says "ready" in the session directory instead. Contract: spec/transport-shm.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tech_renaissance/detail/base/deadline.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/transport/file/host.h"
#include "tech_renaissance/detail/transport/shm/host.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/detail/transport/worker_info.h"

namespace tr::detail {

class FallbackHost final : public HostTransport {
public:
    // Throws std::system_error if shared memory is not available.
    FallbackHost(const std::string& directory, const std::string& poll_ms,
                 std::optional<std::chrono::microseconds> look)
        : directory_(to_path(directory)), shm_(look), files_(directory, poll_ms) {}

    Offer prepare() override {
        files_.prepare();
        is_ready_ = is_over_files_ = false;
        return shm_.prepare();
    }

    void watch_exit(WaitHandle handle) override {
        shm_.watch_exit(handle);
        files_.watch_exit(handle);
    }

    // In shared memory, as tensors under tags: the call may move from one worker to another.
    PlacedAttachment place(const Attachment& attachment) override { return shm_.place(attachment); }
    bool try_send(const Request& request, const std::vector<PlacedAttachment>& attachments) override {
        return end().try_send(request, attachments);
    }
    bool can_stream() const override { return !is_over_files_; }
    bool try_send_credit(std::int64_t id, std::uint32_t count) override { return end().try_send_credit(id, count); }
    bool try_send_item(const InputItem& item) override { return end().try_send_item(item); }
    bool try_send_answer(const Answer& answer) override { return end().try_send_answer(answer); }
    void ask_to_cancel(std::int64_t id) override { end().ask_to_cancel(id); }
    void ask_to_stop(std::int64_t id) override { end().ask_to_stop(id); }
    std::vector<Begun> begun(const std::vector<std::int64_t>& ids) override { return end().begun(ids); }
    std::set<std::int64_t> answered() override { return end().answered(); }

    std::string lack() const override { return is_over_files_ ? files_.lack() : shm_.lack(); }

    std::optional<Arrival> receive(std::chrono::milliseconds timeout) override {
        return is_ready_ ? end().receive(timeout) : receive_from_either(timeout);
    }

    void forget_taken() noexcept override { end().forget_taken(); }

    void wake() noexcept override {
        is_woken_ = true;
        shm_.wake();
        files_.wake();
    }

    // Over files until the worker has chosen, and from then on perhaps.
    std::vector<WaitHandle> members() const override {
        std::vector<WaitHandle> members = shm_.members();
        for (const WaitHandle member : files_.members()) {
            if (member != members.back()) members.push_back(member);
        }
        return members;
    }
    bool begin_sleep() noexcept override { return shm_.begin_sleep(); }
    void end_sleep() noexcept override {
        shm_.end_sleep();
        files_.end_sleep();
    }
    std::chrono::milliseconds longest_sleep() noexcept override {
        return is_ready_ ? end().longest_sleep() : check_interval;
    }

    // The tensors always stay in shared memory, because the next worker may support it. A tensor put during the switch
    // to files is either handed over with the others, or comes after the switch and is put here.
    void put_tensor(const std::string& tag, const Tensor& tensor) override {
        shm_.put_tensor(tag, tensor);
        if (is_over_files_) files_.put_tensor(tag, tensor);
    }

    void drop_tensor(const std::string& tag) override {
        shm_.drop_tensor(tag);
        if (is_over_files_) files_.drop_tensor(tag);
    }

    std::vector<std::string> tags() override { return shm_.tags(); }
    Tensor empty(const Shape& shape, DType dtype) override { return shm_.empty(shape, dtype); }

private:
    // How often to check, while a worker starts, whether it serves over files.
    static constexpr std::chrono::milliseconds check_interval{10};

    HostTransport& end() noexcept {
        if (is_over_files_) return files_;
        return shm_;
    }

    std::optional<Arrival> receive_from_either(std::chrono::milliseconds timeout) {
        const Clock::time_point deadline = deadline_after(timeout);
        while (true) {
            const std::chrono::milliseconds left = left_until(deadline);
            const Clock::time_point next_check = Clock::now() + check_interval;
            std::optional<Arrival> arrival = shm_.receive(std::min(left, check_interval));
            if (!arrival && serves_over_files()) arrival = go_over_to_files();
            if (arrival) {
                is_ready_ = is_ready_ || std::holds_alternative<Ready>(*arrival);
                return arrival;
            }
            const bool rang = Clock::now() < next_check;  // as it also does for ever once the worker has died
            if (is_woken_.exchange(false) || rang || left <= check_interval) return std::nullopt;
        }
    }

    // Whether the worker says that it is ready, and worker.json, which it wrote before that, names another transport.
    bool serves_over_files() const {
        if (!files_.says_ready()) return false;
        try {
            return optional_string(read_worker_info(directory_), "transport") != "shm";
        } catch (const RemoteProtocolError&) {
            return true;
        }
    }

    std::optional<Arrival> go_over_to_files() {
        std::optional<Arrival> arrival = files_.receive(std::chrono::milliseconds(0));
        if (arrival && std::holds_alternative<Ready>(*arrival)) {
            shm_.hand_over([this](const std::string& tag, std::string_view tsr) { files_.put_tsr(tag, tsr); },
                           [this] { is_over_files_ = true; });
        }
        return arrival;
    }

    const std::filesystem::path directory_;
    ShmHost shm_;
    FileHost files_;
    std::atomic<bool> is_ready_{false};  // whether the worker has chosen a transport
    std::atomic<bool> is_over_files_{false};
    std::atomic<bool> is_woken_{false};
};

}  // namespace tr::detail
