// Requests that are no longer sent, because workers died while serving them: spec/life.md, Supervision.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tech_renaissance/detail/host/call.h"
#include "tech_renaissance/detail/process/death.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// What makes two calls the same: their bodies, attachments included.
inline std::string request_key(const Call& call) {
    std::string key = std::to_string(call.request.typed) + " " + std::to_string(static_cast<int>(call.request.form));
    for (const PlacedAttachment& one : call.attachments) {
        key += " " + std::to_string(static_cast<int>(one.kind));
        key += " " + std::to_string(std::hash<std::string_view>()(one.memory->tsr()));
    }
    return key + " " + message_of(call.request);
}

// Not thread-safe.
class Quarantine {
public:
    // Notes that a worker died while serving this call.
    void note(const Call& call, std::shared_ptr<const PostMortem> death) {
        const std::string key = request_key(call);
        const auto known = cases_.find(key);
        if (known != cases_.end()) noted_.erase(known->second.noted);
        Case& deaths = cases_[key];
        ++deaths.count;
        deaths.last = std::move(death);
        deaths.noted = noted_.insert(noted_.end(), key);
        if (cases_.size() <= most_noted) return;
        cases_.erase(noted_.front());
        noted_.pop_front();
    }

    // Forgives all of them.
    void clear() {
        cases_.clear();
        noted_.clear();
    }

    // The error of a call that is no longer sent; null if it may be sent.
    std::exception_ptr refuse(const Call& call) const {
        if (cases_.empty()) return nullptr;
        const auto found = cases_.find(request_key(call));
        if (found == cases_.end() || found->second.count < most_deaths) return nullptr;
        const std::shared_ptr<const PostMortem>& last = found->second.last;
        const std::string text =
            "'" + shortened(message_of(call.request), 80) + "' was in progress when " +
            std::to_string(found->second.count) +
            " workers ended, and is not sent again until terminate() or please_exit(); the last one: " + explain(*last);
        return std::make_exception_ptr(WorkerLost("quarantined", text, last->exit_status, last->output_tail, last));
    }

private:
    // A request is no longer sent after this many deaths.
    static constexpr int most_deaths = 2;
    // How many requests are remembered. The one noted longest ago is forgotten first.
    static constexpr std::size_t most_noted = 256;

    struct Case {
        int count = 0;
        std::shared_ptr<const PostMortem> last;
        std::list<std::string>::iterator noted;
    };
    std::map<std::string, Case> cases_;
    std::list<std::string> noted_;  // the latest last
};

}  // namespace tr::detail
