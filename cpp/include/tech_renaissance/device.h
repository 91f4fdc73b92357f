// Where a tensor's memory is. Only the CPU is supported; the type exists so that code can name it.
#pragma once

#include <ostream>
#include <string>

namespace tr {

enum class DeviceType { CPU, CUDA };

struct Device {
    DeviceType type = DeviceType::CPU;
    int index = 0;

    // As PyTorch writes it: "cpu", "cuda:0".
    std::string to_string() const { return type == DeviceType::CPU ? "cpu" : "cuda:" + std::to_string(index); }

    friend constexpr bool operator==(Device a, Device b) { return a.type == b.type && a.index == b.index; }
    friend constexpr bool operator!=(Device a, Device b) { return !(a == b); }
    friend std::ostream& operator<<(std::ostream& out, Device device) { return out << device.to_string(); }
};

inline constexpr Device CPU{};

}  // namespace tr
