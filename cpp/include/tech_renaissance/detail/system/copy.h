// Copying what another processor will read next.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <emmintrin.h>
#endif

namespace tr::detail {

#if defined(__x86_64__) || defined(_M_X64)

// Smaller copies are faster through the cache.
inline constexpr std::size_t least_streamed_nbytes = 16 << 10;

// Like memcpy, but the copy goes past our cache. Otherwise each line has to be fetched, possibly from the cache of the
// processor that read what was there before, only to be overwritten. `to` is 16-byte aligned. What is stored
// afterwards becomes visible to other processors after the copy.
inline void copy_for_others(void* to, const void* from, std::size_t nbytes) noexcept {
    std::size_t done = 0;
    if (nbytes >= least_streamed_nbytes) {
        auto* out = static_cast<__m128i*>(to);
        const auto* in = static_cast<const __m128i*>(from);
        for (; done + 64 <= nbytes; done += 64, in += 4, out += 4) {
            const __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1);
            const __m128i c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
            _mm_stream_si128(out, a);
            _mm_stream_si128(out + 1, b);
            _mm_stream_si128(out + 2, c);
            _mm_stream_si128(out + 3, d);
        }
        _mm_sfence();
    }
    if (done < nbytes)
        std::memcpy(static_cast<std::byte*>(to) + done, static_cast<const std::byte*>(from) + done, nbytes - done);
}

#else

inline void copy_for_others(void* to, const void* from, std::size_t nbytes) noexcept {
    if (nbytes != 0) std::memcpy(to, from, nbytes);
}

#endif

}  // namespace tr::detail
