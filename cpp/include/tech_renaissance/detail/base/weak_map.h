// A map that keeps nothing alive: finds objects by number as long as someone else holds them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <unordered_map>

namespace tr::detail::shm {

// Not thread-safe, but the objects may die in any thread. Never has more than a few entries, or twice as many as there
// were live objects at any one time.
template <class T>
class WeakMap {
public:
    // Null if there is no such object, or it has died.
    std::shared_ptr<T> find(std::uint64_t key) const {
        const auto found = entries_.find(key);
        return found == entries_.end() ? nullptr : found->second.lock();
    }

    void set(std::uint64_t key, const std::shared_ptr<T>& object) {
        if (entries_.size() >= most_) prune();
        entries_[key] = object;
    }

private:
    static constexpr std::size_t few = 64;

    void prune() {
        for (auto entry = entries_.begin(); entry != entries_.end();) {
            entry = entry->second.expired() ? entries_.erase(entry) : std::next(entry);
        }
        most_ = std::max(few, 2 * entries_.size());
    }

    std::unordered_map<std::uint64_t, std::weak_ptr<T>> entries_;
    std::size_t most_ = few;
};

}  // namespace tr::detail::shm
