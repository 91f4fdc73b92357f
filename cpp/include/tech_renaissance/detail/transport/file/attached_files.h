// The attachments of requests as files in the session directory: spec/transport-file.md, Attachments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tech_renaissance/detail/protocol/frame.h"
#include "tech_renaissance/detail/protocol/tsr_header.h"
#include "tech_renaissance/detail/system/files.h"
#include "tech_renaissance/detail/system/path.h"
#include "tech_renaissance/detail/transport/transport.h"
#include "tech_renaissance/tensor.h"

namespace tr::detail {

// The bytes of a TSR file, in memory.
class TsrBytes final : public Placement {
public:
    explicit TsrBytes(const Tensor& tensor) {
        const TsrHeaderBytes header = write_tsr_header(tensor.dtype(), tensor.shape());
        bytes_.reserve(header.nbytes + tensor.memory_size());
        bytes_.append(reinterpret_cast<const char*>(header.bytes.data()), header.nbytes);
        bytes_.append(static_cast<const char*>(tensor.data_ptr()), tensor.memory_size());
    }

    std::string_view tsr() const override { return bytes_; }

private:
    std::string bytes_;
};

// Thread-safe.
class AttachedFiles {
public:
    explicit AttachedFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}

    // Writes the attachments of a request that is about to be sent, and returns the request with their names. Throws
    // std::system_error, also on a second attempt after that.
    Request write(const Request& request, const std::vector<PlacedAttachment>& attachments) {
        const std::int64_t id = *request.id;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            counts_[id] = attachments.size();
        }
        Request named = request;
        for (std::size_t i = 0; i < attachments.size(); ++i) {
            const std::string_view bytes = attachments[i].memory->tsr();
            write_file(path(id, i), {{bytes.data(), bytes.size()}});
            named.attachments.push_back({attachments[i].kind, name(id, i)});
        }
        return named;
    }

    // Removes those of a request that needs them no longer. What cannot be removed will go with the session.
    void remove(std::int64_t id) {
        std::size_t count = 0;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            const auto found = counts_.find(id);
            if (found == counts_.end()) return;
            count = found->second;
            counts_.erase(found);
        }
        for (std::size_t i = 0; i < count; ++i) {
            try {
                remove_anything(path(id, i));
            } catch (const std::system_error&) {
            }
        }
    }

    void remove_all() {
        std::map<std::int64_t, std::size_t> counts;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            counts = counts_;
        }
        for (const auto& [id, count] : counts) remove(id);
    }

private:
    static std::string name(std::int64_t id, std::size_t i) {
        return "_" + std::to_string(id) + "_" + std::to_string(i);
    }
    std::filesystem::path path(std::int64_t id, std::size_t i) const {
        return directory_ / to_path(name(id, i) + ".tsr");
    }

    const std::filesystem::path directory_;
    std::mutex mutex_;
    std::map<std::int64_t, std::size_t> counts_;  // how many a request has, by its id
};

}  // namespace tr::detail
