// How a Decoder tries the alternatives of a variant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>

#include "tech_renaissance/config.h"
#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/trial.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

TR_INLINE Trial::Trial(Decoder& decoder)
    : decoder_(decoder),
      kind_(decoder.kind()),
      place_(decoder.place()),
      element_(decoder.element_at(place_)),
      is_outermost_(decoder.outermost_trial_ == nullptr),
      before_(decoder) {
    if (is_outermost_) decoder.outermost_trial_ = before_.outermost_trial_ = this;
}

TR_INLINE Trial::~Trial() { end(); }

TR_INLINE void Trial::end() {
    if (is_outermost_) decoder_.outermost_trial_ = nullptr;
}

TR_INLINE bool Trial::was_refused(const void* type) {
    const std::map<Attempt, Refusal>& refusals = decoder_.outermost_trial_->refusals_;
    const auto refusal = refusals.find(Attempt(place_, element_, type));
    if (refusal == refusals.end()) return false;
    count(refusal->second);
    return true;
}

TR_INLINE void Trial::note(const void* type, const CommandError& error) {
    decoder_ = before_;
    const auto* refused = dynamic_cast<const Refused*>(&error);
    // A codec may throw errors of its own.
    const Refusal refusal = refused != nullptr ? refused->refusal() : Refusal{place_, element_, error.what()};
    decoder_.outermost_trial_->refusals_.emplace(Attempt(place_, element_, type), refusal);
    count(refusal);
}

TR_INLINE void Trial::count(const Refusal& refusal) {
    const bool is_whole = refusal.place == place_ && refusal.element == element_;
    const std::size_t depth =
        is_whole ? 0 : decoder_.levels_between(place_, refusal.place) + (refusal.element.empty() ? 0u : 1u);
    if (depth > depth_) {
        depth_ = depth;
        deepest_ = refusal;
    } else if (depth == 0 && std::find(problems_.begin(), problems_.end(), refusal.problem) == problems_.end()) {
        problems_.push_back(refusal.problem);
    }
}

TR_INLINE void Trial::refuse() {
    end();
    if (depth_ > 0) decoder_.refuse(deepest_);
    std::string all;
    for (const std::string& problem : problems_) all += (all.empty() ? "" : "; ") + problem;
    decoder_.refuse(Refusal{place_, element_, all});
}

}  // namespace tr::detail
