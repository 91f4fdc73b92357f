// How the alternatives of a variant are tried.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tech_renaissance/decoder.h"
#include "tech_renaissance/detail/surface/refusal.h"
#include "tech_renaissance/error.h"

namespace tr::detail {

// Its address stands for the type, also in programs without RTTI. Not const, or linkers might make one of all.
template <class T>
inline char type_mark = 0;

// The alternatives for the value that comes next.
class Trial {
public:
    explicit Trial(Decoder& decoder);
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;
    ~Trial();

    Decoder::Kind kind() const noexcept { return kind_; }

    // Whether T takes the value, which `read` reads as one.
    template <class T, class Read>
    bool takes(Read read) {
        if (was_refused(&type_mark<T>)) return false;
        try {
            read();
            return true;
        } catch (const CommandError& error) {
            note(&type_mark<T>, error);
            return false;
        }
    }

    // No alternative takes the value. Of their problems the one that lies deepest is told, since that alternative is
    // closest to what was meant; all of them if they are about the value as a whole.
    [[noreturn]] void refuse();

private:
    using Attempt = std::tuple<std::size_t, std::string, const void*>;

    bool was_refused(const void* type);
    void note(const void* type, const CommandError& error);
    void count(const Refusal& refusal);
    void end();

    Decoder& decoder_;
    const Decoder::Kind kind_;
    const std::size_t place_;
    const std::string element_;
    const bool is_outermost_;
    Decoder before_;
    // Those of the trials within this one, too, if it is the outermost. A value within it is read anew for each
    // alternative around it; without this an alternative would be tried as often as there are ways to get there, which
    // are 2^64 if each level has two.
    std::map<Attempt, Refusal> refusals_;
    Refusal deepest_;
    std::size_t depth_ = 0;
    std::vector<std::string> problems_;
};

}  // namespace tr::detail

#ifndef TR_COMPILED
#include "tech_renaissance/detail/surface/decoder_trials.h"
#endif
