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
#include "tech_renaissance/detail/system/open_folder.h"
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
            write_file(path(name(id, i)), {{bytes.data(), bytes.size()}});
            named.attachments.push_back({attachments[i].kind, name(id, i)});
        }
        return named;
    }

    // The same for the answer to what that request's handler has asked.
    std::vector<NamedAttachment> write_answer(std::int64_t id, const std::vector<PlacedAttachment>& attachments) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            answers_[id] = attachments.size();
        }
        std::vector<NamedAttachment> named;
        for (std::size_t i = 0; i < attachments.size(); ++i) {
            const std::string_view bytes = attachments[i].memory->tsr();
            named.push_back({attachments[i].kind, answer_name(id, i)});
            write_file(path(named.back().name), {{bytes.data(), bytes.size()}});
        }
        return named;
    }

    // Removes those of a request that needs them no longer. What cannot be removed will go with the session.
    void remove(std::int64_t id) {
        std::size_t count = 0;
        std::size_t answered = 0;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            count = take(counts_, id);
            answered = take(answers_, id);
        }
        for (std::size_t i = 0; i < count; ++i) remove(name(id, i));
        for (std::size_t i = 0; i < answered; ++i) remove(answer_name(id, i));
    }

    void remove_all() {
        std::map<std::int64_t, std::size_t> counts;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            counts = counts_;
            counts.insert(answers_.begin(), answers_.end());
        }
        for (const auto& [id, count] : counts) remove(id);
    }

private:
    static std::string name(std::int64_t id, std::size_t i) {
        return "_" + std::to_string(id) + "_" + std::to_string(i);
    }
    static std::string answer_name(std::int64_t id, std::size_t i) { return "_answer" + name(id, i); }
    std::filesystem::path path(const std::string& name) const { return directory_ / to_path(name + ".tsr"); }

    static std::size_t take(std::map<std::int64_t, std::size_t>& counts, std::int64_t id) {
        const auto found = counts.find(id);
        if (found == counts.end()) return 0;
        const std::size_t count = found->second;
        counts.erase(found);
        return count;
    }

    void remove(const std::string& name) const {
        try {
            remove_anything(path(name));
        } catch (const std::system_error&) {
        }
    }

    const std::filesystem::path directory_;
    std::mutex mutex_;
    std::map<std::int64_t, std::size_t> counts_;   // how many a request has, by its id
    std::map<std::int64_t, std::size_t> answers_;  // the same of its handler's last answer
};

}  // namespace tr::detail
