// How a tensor becomes text: the cells, then the brackets and line breaks between them.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/detail/base/dtype_convert.h"
#include "tech_renaissance/dtype.h"
#include "tech_renaissance/shape.h"
#include "tech_renaissance/tensor_print.h"

namespace tr {

namespace detail {

inline constexpr std::size_t print_line_width = 80;
inline constexpr std::int64_t print_summary_threshold = 1000;
inline constexpr std::int64_t print_edge_items = 3;

inline std::string pad_left(const std::string& text, std::size_t width) {
    return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

// The format of a tensor's floating-point numbers: chosen for all of them, then applied to each.
class FloatFormat {
public:
    FloatFormat(const std::vector<double>& numbers, int precision) : precision_(precision) {
        std::vector<double> measured;
        for (const double number : numbers)
            if (std::isfinite(number) && number != 0) measured.push_back(number);
        if (measured.empty()) return;
        choose(measured);
        for (const double number : measured) width_ = std::max(width_, text(number).size());
    }

    // Infinity and NaN are not counted and may be wider.
    std::size_t width() const { return width_; }

    std::string operator()(double number) const { return pad_left(text(number), width_); }

private:
    enum class Style { Whole, Fixed, Scientific };

    void choose(const std::vector<double>& measured) {
        const auto smaller = [](double a, double b) { return std::abs(a) < std::abs(b); };
        const auto [least, greatest] = std::minmax_element(measured.begin(), measured.end(), smaller);
        const double min = std::abs(*least);
        const double max = std::abs(*greatest);
        const bool whole = std::all_of(measured.begin(), measured.end(), [](double x) { return x == std::ceil(x); });
        if (max / min > 1000 || max > 1e8 || (!whole && min < 1e-4))
            style_ = Style::Scientific;
        else
            style_ = whole ? Style::Whole : Style::Fixed;
    }

    std::string text(double number) const {
        if (std::isnan(number)) return "nan";
        if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
        std::ostringstream out;
        out.imbue(std::locale::classic());
        out.setf(style_ == Style::Scientific ? std::ios::scientific : std::ios::fixed, std::ios::floatfield);
        out.precision(style_ == Style::Whole ? 0 : precision_);
        out << number << (style_ == Style::Whole ? "." : "");
        return out.str();
    }

    int precision_;
    Style style_ = Style::Whole;
    std::size_t width_ = 1;
};

// The shown elements of a tensor as text, in order, and the cell width that decides how many fit on a line.
struct Cells {
    std::vector<std::string> texts;
    std::size_t width = 0;
};

inline Cells float_cells(const std::vector<double>& numbers, int precision) {
    const FloatFormat format(numbers, precision);
    Cells cells{{}, format.width()};
    for (const double number : numbers) cells.texts.push_back(format(number));
    return cells;
}

inline Cells complex_cells(const std::vector<std::complex<double>>& numbers, int precision) {
    std::vector<double> reals;
    std::vector<double> imaginaries;
    for (const auto number : numbers) {
        reals.push_back(number.real());
        imaginaries.push_back(number.imag());
    }
    Cells cells = float_cells(reals, precision);
    const Cells imaginary = float_cells(imaginaries, precision);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const std::string& padded = imaginary.texts[i];
        const std::string part = padded.substr(padded.find_first_not_of(' '));
        cells.texts[i] += (part[0] == '-' ? "" : "+") + part + "j";
    }
    cells.width += imaginary.width + 1;
    return cells;
}

inline Cells aligned_cells(std::vector<std::string> texts) {
    Cells cells{std::move(texts), 0};
    for (const std::string& text : cells.texts) cells.width = std::max(cells.width, text.size());
    for (std::string& text : cells.texts) text = pad_left(text, cells.width);
    return cells;
}

template <class T>
Cells cells_of(const std::vector<T>& elements, int precision) {
    using Value = Arithmetic<T>;
    if constexpr (is_complex<Value>) {
        return complex_cells({elements.begin(), elements.end()}, precision);
    } else if constexpr (std::is_floating_point_v<Value>) {
        return float_cells({elements.begin(), elements.end()}, precision);
    } else {
        std::vector<std::string> texts;
        for (const T element : elements) {
            if constexpr (std::is_same_v<Value, bool>)
                texts.push_back(element ? "True" : "False");
            else
                texts.push_back(std::to_string(element));
        }
        return aligned_cells(std::move(texts));
    }
}

// The brackets, commas and line breaks between the cells.
class PrintLayout {
public:
    PrintLayout(const void* data, DType dtype, const Shape& shape, int precision)
        : shape_(shape), summarised_(shape.numel() > print_summary_threshold) {
        std::vector<std::int64_t> places;
        collect(0, 0, places);
        cells_ = visit_dtype(dtype, [&](auto element) {
            using T = typename decltype(element)::type;
            std::vector<T> elements;
            for (const std::int64_t place : places) elements.push_back(static_cast<const T*>(data)[place]);
            return cells_of(elements, precision);
        });
    }

    std::string text(std::size_t indent) {
        if (shape_.numel() == 0) return "[]";
        return shape_.ndim() == 0 ? cells_.texts[0] : level(0, indent);
    }

private:
    static constexpr std::int64_t gap = -1;

    // The indices of a dimension that are shown; `gap` stands for the ones left out.
    std::vector<std::int64_t> shown(int dim) const {
        const std::int64_t length = shape_[dim];
        const bool cut = summarised_ && length > 2 * print_edge_items;
        std::vector<std::int64_t> indices;
        for (std::int64_t i = 0; i < length; ++i) {
            if (cut && i == print_edge_items) {
                indices.push_back(gap);
                i = length - print_edge_items;
            }
            indices.push_back(i);
        }
        return indices;
    }

    // Appends the positions in memory of the shown elements. `place` is the index computed from the dimensions before
    // `dim`.
    void collect(int dim, std::int64_t place, std::vector<std::int64_t>& places) const {
        if (shape_.numel() == 0) return;
        if (dim == shape_.ndim()) return places.push_back(place);
        for (const std::int64_t index : shown(dim))
            if (index != gap) collect(dim + 1, place * shape_[dim] + index, places);
    }

    std::string level(int dim, std::size_t indent) {
        if (dim == shape_.ndim() - 1) return row(indent);
        const std::string line_breaks(static_cast<std::size_t>(shape_.ndim() - 1 - dim), '\n');
        const std::string separator = "," + line_breaks + std::string(indent + 1, ' ');
        std::string text;
        for (const std::int64_t index : shown(dim)) {
            if (!text.empty()) text += separator;
            text += index == gap ? "..." : level(dim + 1, indent + 1);
        }
        return "[" + text + "]";
    }

    std::string row(std::size_t indent) {
        const std::size_t cell = cells_.width + 2;
        const std::size_t room = indent < print_line_width ? print_line_width - indent : 0;
        const std::size_t per_line = std::max<std::size_t>(1, room / cell);
        std::string text;
        std::size_t count = 0;
        for (const std::int64_t index : shown(shape_.ndim() - 1)) {
            if (count > 0) text += count % per_line == 0 ? ",\n" + std::string(indent + 1, ' ') : ", ";
            text += index == gap ? " ..." : cells_.texts[next_++];
            ++count;
        }
        return "[" + text + "]";
    }

    Shape shape_;
    bool summarised_;
    Cells cells_;
    std::size_t next_ = 0;  // index of the next cell
};

// What the elements alone do not show: `size=(0, 3)`, `dtype=torch.float64`.
inline std::vector<std::string> print_suffixes(DType dtype, const Shape& shape) {
    std::vector<std::string> suffixes;
    if (shape.numel() == 0 && shape.ndim() != 1) suffixes.push_back("size=" + shape.to_string());
    const bool obvious =
        dtype == DType::FP32 ||
        (shape.numel() > 0 && (dtype == DType::INT64 || dtype == DType::BOOL || dtype == DType::COMPLEX64));
    if (!obvious) suffixes.push_back(std::string("dtype=") + dtype_info(dtype).torch_name);
    return suffixes;
}

}  // namespace detail

TR_INLINE std::string format_tensor(const void* data, DType dtype, const Shape& shape, int precision) {
    const std::string prefix = "tensor(";
    std::string text = prefix + detail::PrintLayout(data, dtype, shape, precision).text(prefix.size());
    std::size_t line = text.size() - (text.rfind('\n') + 1);
    for (const std::string& suffix : detail::print_suffixes(dtype, shape)) {
        const bool fits = line + suffix.size() + 4 <= detail::print_line_width;
        text += fits ? ", " + suffix : ",\n" + std::string(prefix.size(), ' ') + suffix;
        line = (fits ? line + 2 : prefix.size()) + suffix.size();
    }
    return text + ")";
}

}  // namespace tr
