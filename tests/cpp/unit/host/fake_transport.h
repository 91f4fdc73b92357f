// A transport whose other end is played by the test.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "check.h"
#include "tech_renaissance/detail/system/event.h"
#include "tech_renaissance/detail/transport/transport.h"

using tr::detail::Arrival;
using tr::detail::Reply;
using tr::detail::Request;
using tr::detail::WaitHandle;

// Says what the test lets it say.
class FakeTransport final : public tr::detail::HostTransport {
public:
    void say(Arrival arrival) {
        const std::lock_guard<std::mutex> lock(mutex_);
        arrivals_.push_back(std::move(arrival));
        changed_.notify_all();
        if (asleep_) bell_.set();
    }
    void say_reply(std::int64_t id, const std::string& result) {
        Reply reply;
        reply.response.id = id;
        reply.response.result = result;
        say(std::move(reply));
    }
    // Every request is answered by its own command.
    void echo() { echo_ = true; }
    void set_room(int room) {
        const std::lock_guard<std::mutex> lock(mutex_);
        room_ = room;
        woken_ = true;
        changed_.notify_all();
    }
    void break_down() { broken_ = true; }
    // No text of more than 100 bytes can be sent beside requests: there is no memory for it.
    void fill_arena(bool is_full = true) { is_arena_full_ = is_full; }
    // The next request cannot be sent: there is no memory for it.
    void run_out_of_memory() { has_no_memory_ = true; }
    void break_receiving() { deaf_ = true; }
    // There is always one more of this.
    void never_stop(const Arrival& arrival) {
        const std::lock_guard<std::mutex> lock(mutex_);
        endless_ = arrival;
    }

    tr::detail::PlacedAttachment place(const tr::Attachment& attachment) override { return {attachment.kind, nullptr}; }
    bool can_stream() const override { return true; }
    bool try_send_credit(std::int64_t, std::uint32_t count) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (room_ == 0) return false;
        --room_;
        credit += count;
        return true;
    }
    bool try_send(const Request& request, const std::vector<tr::detail::PlacedAttachment>&) override {
        if (has_no_memory_.exchange(false)) throw std::bad_alloc();
        if (broken_) throw std::system_error(std::make_error_code(std::errc::no_space_on_device));
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (room_ == 0) return false;
            --room_;
        }
        if (echo_ && request.id) {
            say_reply(*request.id, request.command);
            set_room(1);
        }
        return true;
    }
    bool try_send_item(const tr::detail::InputItem& item) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (room_ == 0) return false;
        check_memory_for(item.text);
        --room_;
        items.push_back(item.is_last ? "last" : item.text);
        return true;
    }
    bool try_send_answer(const tr::detail::Answer& answer) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (room_ == 0) return false;
        check_memory_for(answer.result);
        --room_;
        answers.push_back(answer.failure ? answer.failure->code : answer.result);
        return true;
    }
    void ask_to_cancel(std::int64_t id) override { given_up = id; }
    void ask_to_stop(std::int64_t id) override { stopped = id; }
    std::vector<tr::detail::Begun> begun(const std::vector<std::int64_t>& ids) override {
        std::vector<tr::detail::Begun> found;
        for (const std::int64_t id : ids) {
            if (first_begun <= id && id <= last_begun) found.push_back({id});
        }
        return found;
    }
    std::set<std::int64_t> answered() override { return {}; }
    std::optional<Arrival> receive(std::chrono::milliseconds timeout) override {
        if (deaf_) throw std::system_error(std::make_error_code(std::errc::io_error));
        CHECK_EQ(1, ++receivers_);
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait_for(lock, timeout, [this] { return !arrivals_.empty() || endless_ || woken_ || gone_; });
        woken_ = false;
        std::optional<Arrival> arrival = endless_;
        if (!arrivals_.empty()) {
            arrival = std::move(arrivals_.front());
            arrivals_.pop_front();
        }
        --receivers_;
        return arrival;
    }
    void wake() noexcept override {
        const std::lock_guard<std::mutex> lock(mutex_);
        woken_ = true;
        changed_.notify_all();
    }
    // The process is gone: like an exit handle, that ends every wait from now on.
    void go() {
        gone_ = true;
        bell_.set();
        wake();
    }
    std::vector<WaitHandle> members() const override { return {bell_.handle()}; }
    bool begin_sleep() noexcept override {
        const std::lock_guard<std::mutex> lock(mutex_);
        asleep_ = true;
        return arrivals_.empty();
    }
    void end_sleep() noexcept override {
        const std::lock_guard<std::mutex> lock(mutex_);
        asleep_ = false;
        if (!gone_) bell_.reset();
    }
    std::chrono::milliseconds longest_sleep() noexcept override { return std::chrono::minutes(1); }
    tr::detail::Offer prepare() override { return {}; }
    void watch_exit(WaitHandle) override {}
    void put_tensor(const std::string&, const tr::Tensor&) override {}
    void drop_tensor(const std::string&) override {}
    std::vector<std::string> tags() override { return {}; }
    tr::Tensor empty(const tr::Shape& shape, tr::DType dtype) override { return tr::Tensor::empty(shape, dtype); }

    std::atomic<std::int64_t> given_up{0};  // the last one
    std::atomic<std::int64_t> stopped{0};   // the same
    std::vector<std::string> items;
    std::vector<std::string> answers;
    std::atomic<std::uint32_t> credit{0};  // how many more items the worker was told that it may send
    // The worker has begun these.
    std::atomic<std::int64_t> first_begun{0};
    std::atomic<std::int64_t> last_begun{0};

private:
    void check_memory_for(const std::string& text) const {
        if (is_arena_full_ && text.size() > 100) throw tr::ArenaFull("no shared memory");
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Arrival> arrivals_;
    std::optional<Arrival> endless_;
    int room_ = 100;
    bool woken_ = false;
    bool asleep_ = false;     // whether the host wants to be rung
    tr::detail::Event bell_;  // rung
    std::atomic<int> receivers_{0};
    std::atomic<bool> echo_{false};
    std::atomic<bool> broken_{false};
    std::atomic<bool> has_no_memory_{false};
    std::atomic<bool> is_arena_full_{false};
    std::atomic<bool> deaf_{false};
    std::atomic<bool> gone_{false};
};
