// Floating-point numbers of 8 and 16 bits, for storage only; arithmetic happens in float.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace tr::detail {

inline std::uint32_t float_bits(float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_from_bits(std::uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Drops the lowest `count` bits, rounding to nearest, ties to even. REQUIRES: 0 < count < 32, and no overflow.
inline std::uint32_t round_off(std::uint32_t bits, int count) {
    const std::uint32_t half = (std::uint32_t{1} << (count - 1)) - 1;
    return (bits + half + ((bits >> count) & 1)) >> count;
}

// Sign, exponent and mantissa from the highest bit down. A format without infinity uses its highest exponent for
// numbers, too, and only its last code for NaN; values beyond its range become its largest number, as in PyTorch.
template <class Bits, int ExponentBits, int MantissaBits, bool HasInfinity>
struct SmallFloat {
    Bits bits;

    SmallFloat() = default;
    SmallFloat(float value) : bits(encode(value)) {}
    operator float() const { return decode(bits); }

private:
    static constexpr int bias = (1 << (ExponentBits - 1)) - 1;
    static constexpr int dropped_bits = 23 - MantissaBits;
    static constexpr std::uint32_t min_normal = static_cast<std::uint32_t>(127 - bias + 1) << 23;  // as a float's bits
    static constexpr std::uint32_t last_code = (1u << (ExponentBits + MantissaBits)) - 1;
    static constexpr std::uint32_t infinity = ((1u << ExponentBits) - 1) << MantissaBits;
    static constexpr std::uint32_t nan = HasInfinity ? infinity | (1u << (MantissaBits - 1)) : last_code;
    static constexpr std::uint32_t beyond = HasInfinity ? infinity : last_code - 1;

    static Bits encode(float value) {
        const std::uint32_t all = float_bits(value);
        const std::uint32_t sign = (all >> 31) << (ExponentBits + MantissaBits);
        return static_cast<Bits>(sign | encode_magnitude(all & 0x7fffffff));
    }

    static std::uint32_t encode_magnitude(std::uint32_t magnitude) {
        if (magnitude > 0x7f800000) return nan;
        if (magnitude == 0x7f800000) return beyond;
        if (magnitude < min_normal) return encode_subnormal(magnitude);
        const std::uint32_t rebias = static_cast<std::uint32_t>(127 - bias) << MantissaBits;
        const std::uint32_t code = round_off(magnitude, dropped_bits) - rebias;
        return code < beyond ? code : beyond;
    }

    static std::uint32_t encode_subnormal(std::uint32_t magnitude) {
        const bool is_normal_float = magnitude >= 0x800000;
        const int exponent = is_normal_float ? static_cast<int>(magnitude >> 23) : 1;
        const std::uint32_t mantissa = is_normal_float ? (magnitude & 0x7fffff) | 0x800000 : magnitude;
        const int shift = dropped_bits + static_cast<int>(min_normal >> 23) - exponent;
        return shift > 24 ? 0 : round_off(mantissa, shift);
    }

    static float decode(Bits code) {
        const std::uint32_t magnitude = code & last_code;
        const std::uint32_t exponent = magnitude >> MantissaBits;
        const std::uint32_t mantissa = magnitude & ((1u << MantissaBits) - 1);
        const std::uint32_t sign = static_cast<std::uint32_t>(code >> (ExponentBits + MantissaBits)) << 31;
        const std::uint32_t low_bits = mantissa << dropped_bits;
        if (magnitude == last_code || (HasInfinity && magnitude >= infinity))
            return float_from_bits(sign | 0x7f800000 | (HasInfinity ? low_bits : 0x400000));
        if (exponent == 0)
            return float_from_bits(sign |
                                   float_bits(std::ldexp(static_cast<float>(mantissa), 1 - bias - MantissaBits)));
        return float_from_bits(sign | ((exponent + static_cast<std::uint32_t>(127 - bias)) << 23) | low_bits);
    }
};

}  // namespace tr::detail
