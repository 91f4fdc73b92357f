// The values of a generator in the worker, as they come: PythonSession::stream.
#pragma once

#include "tech_renaissance/config.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/body.h"
#include "tech_renaissance/codec.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/error.h"
#include "tech_renaissance/future.h"
#include "tech_renaissance/value.h"

namespace tr {

namespace detail {

// Reads [values, result], which is what a stream gives where items cannot travel.
template <class GetValue, class GetResult>
void read_whole_stream(const Body& body, GetValue get_value, GetResult get_result) {
    const auto require = [](bool condition) {
        if (!condition) throw RemoteProtocolError("bad_value", "the answer to a stream is not [values, result]");
    };
    const ExpandedBody expanded(body);
    Decoder decoder(expanded.json, *expanded.attachments);
    require(decoder.kind() == Decoder::Kind::List);
    decoder.begin_list();
    require(decoder.next_element() && decoder.kind() == Decoder::Kind::List);
    decoder.begin_list();
    while (decoder.next_element()) get_value(decoder);
    require(decoder.next_element());
    get_result(decoder);
    require(!decoder.next_element());
    decoder.finish();
}

}  // namespace detail

// A range of the values that a command yields, each as a T; what the generator returns at last is an R.
//
//     for (const std::string& token : session.stream<std::string>("generate", "hello")) std::cout << token;
//
// The loop waits for each value as long as CallOptions::timeout says, by default 10 s. It ends when the generator
// returns. What the generator raises, or the worker's death, is thrown after all values that were yielded before it.
// The generator is closed when the stream is destroyed, so by leaving the loop; that never waits, and never ends the
// worker. For one thread at a time, except that any may call `cancel`, `stop` and `progress` while it exists.
template <class T, class R = void>
class [[nodiscard]] Stream {
public:
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T*;
        using reference = T&;

        // The end.
        Iterator() = default;
        explicit Iterator(Stream& stream) : stream_(&stream) { ++*this; }

        T& operator*() noexcept { return *value_; }
        T* operator->() noexcept { return &*value_; }
        Iterator& operator++() {
            value_ = stream_->next();
            if (!value_) stream_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }

        friend bool operator==(const Iterator& a, const Iterator& b) { return a.stream_ == b.stream_; }
        friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

    private:
        Stream* stream_ = nullptr;
        std::optional<T> value_;
    };

    explicit Stream(detail::Pending pending) noexcept : pending_(std::move(pending)) {}
    Stream(Stream&&) noexcept = default;
    Stream& operator=(Stream&&) noexcept = default;
    ~Stream() = default;

    // Waits for the first value that was not taken.
    Iterator begin() { return Iterator(*this); }
    Iterator end() noexcept { return {}; }

    // The next value; nullopt when the generator has returned, or the stream was closed. Throws what ended the stream
    // otherwise, each time. After TimedOut "timed_out" the stream is as before. CommandError "wrong_type" if the value
    // is no T; the next one can still be taken.
    std::optional<T> next() { return next_within(std::nullopt); }
    std::optional<T> next(std::chrono::milliseconds timeout) { return next_within(timeout); }

    // Lets the generator run to its end, also after a `break`, and gives what it returned. Values that were not taken
    // are thrown away; the timeouts are for each of them. stop() first, to end it early. LocalProtocolError
    // "no_request" if the stream was closed.
    R result() {
        while (take_next(std::nullopt)) {
        }
        whole_.clear();
        if (!result_) throw LocalProtocolError("no_request", "this stream was closed");
        if (!is_whole_) return detail::value_of<R>(*result_, pending_.command());
        if constexpr (!std::is_void_v<R>) {
            return detail::reading_result_of(pending_.command(), [&] {
                std::optional<R> result;
                detail::read_whole_stream(
                    *result_, [](Decoder& decoder) { decoder.skip(); },
                    [&](Decoder& decoder) { result.emplace(Codec<R>::get(decoder)); });
                return std::move(*result);
            });
        }
    }

    // Closes the generator, whose `finally` blocks run. Does not wait.
    void close() noexcept {
        pending_.drop();
        whole_.clear();
        failure_ = nullptr;
    }

    // Ends the call as Future::cancel does, by force if it must be.
    void cancel() { pending_.cancel(); }

    // Asks the generator to finish early: see Future::stop. What it still yields comes, and so does its result.
    void stop() { pending_.stop(); }

    // See Future::progress.
    std::optional<Progress> progress() const { return pending_.progress(); }

private:
    // The body of the next item; nullopt at the end of them.
    std::optional<Body> take_next(std::optional<std::chrono::milliseconds> timeout) {
        if (failure_) std::rethrow_exception(failure_);
        if (!pending_.is_valid()) return std::nullopt;
        try {
            if (std::optional<Body> item = pending_.next(timeout)) return item;
            is_whole_ = pending_.is_whole();
            Body result = pending_.get(timeout);
            if (is_whole_) take_whole(result);
            result_ = std::move(result);
        } catch (...) {
            if (!pending_.is_valid()) failure_ = std::current_exception();
            throw;
        }
        return std::nullopt;
    }

    void take_whole(const Body& result) {
        detail::read_whole_stream(
            result, [this](Decoder& decoder) { whole_.push_back(Codec<Value>::get(decoder)); },
            [](Decoder& decoder) { decoder.skip(); });
        std::reverse(whole_.begin(), whole_.end());
    }

    std::optional<T> next_within(std::optional<std::chrono::milliseconds> timeout) {
        if (const std::optional<Body> item = take_next(timeout)) return detail::value_of<T>(*item, pending_.command());
        if (whole_.empty()) return std::nullopt;
        const Value value = std::move(whole_.back());
        whole_.pop_back();
        return detail::reading_result_of(pending_.command(), [&] { return value.as<T>(); });
    }

    detail::Pending pending_;
    std::optional<Body> result_;
    bool is_whole_ = false;
    std::vector<Value> whole_;    // values that came all at once, the next one last
    std::exception_ptr failure_;  // what ended it; null if nothing has
};

}  // namespace tr
