// Random numbers that are the same on every platform, to the last bit: they use only integer arithmetic and exact
// operations on doubles, nothing from a mathematics library and nothing that a compiler may round differently.
#pragma once

#include <cmath>
#include <cstdint>

namespace tr::detail {

// SplitMix64: passes the usual test batteries, has 64 bits of state, takes about a nanosecond per number.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    // In [0, 1), a multiple of 2^-53.
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

    // Between low and high. std::fma because a compiler may, or may not, turn a product and a sum into one.
    double uniform(double low, double high) { return std::fma(uniform(), high - low, low); }

    // From low to high - 1, all equally likely. REQUIRES: low < high.
    std::int64_t integer(std::int64_t low, std::int64_t high) {
        const auto first = static_cast<std::uint64_t>(low);
        return static_cast<std::int64_t>(first + below(static_cast<std::uint64_t>(high) - first));
    }

    // In [0, range), all equally likely. REQUIRES: range > 0.
    std::uint64_t below(std::uint64_t range) {
        const std::uint64_t uneven = (0 - range) % range;  // 2^64 mod range: keeping these would favour the lowest
        std::uint64_t number = bits();
        while (number < uneven) number = bits();
        return number % range;
    }

    // Normal, mean 0, variance 1. Karney's exact method (ACM TOMS 42(1), 2016): |value| = k + x, where the integer k
    // and the fraction x are drawn from simple distributions and kept with the probability that makes their sum normal.
    double normal() {
        for (;;) {
            const int k = geometric();
            if (!all_true(k * (k - 1))) continue;
            const double x = uniform();
            if (!accept_fraction(k, x)) continue;
            const double magnitude = k + x;
            return (bits() >> 63) != 0 ? -magnitude : magnitude;
        }
    }

private:
    // True with probability exp(-1/2), which is how often a falling run of uniforms that starts below 1/2 has even
    // length.
    bool exp_minus_half() {
        double last = 0.5;
        for (bool even = true;; even = !even) {
            const double next = uniform();
            if (next >= last) return even;
            last = next;
        }
    }

    // n with probability exp(-n/2) (1 - exp(-1/2)).
    int geometric() {
        int n = 0;
        while (exp_minus_half()) ++n;
        return n;
    }

    // True with probability exp(-count/2).
    bool all_true(int count) {
        for (int i = 0; i < count; ++i)
            if (!exp_minus_half()) return false;
        return true;
    }

    // True with probability exp(-x (2k + x) / 2), as k + 1 independent trials.
    bool accept_fraction(int k, double x) {
        for (int i = 0; i <= k; ++i)
            if (!accept_once(k, x)) return false;
        return true;
    }

    // True with probability exp(-x (2k + x) / (2k + 2)), which is how often a falling run that starts below x has even
    // length if each step also succeeds only with probability (2k + x) / (2k + 2).
    bool accept_once(int k, double x) {
        double last = x;
        for (bool even = true;; even = !even) {
            const double next = uniform();
            if (next >= last || uniform() * (2 * k + 2) >= 2 * k + x) return even;
            last = next;
        }
    }

    std::uint64_t state_;
};

}  // namespace tr::detail
