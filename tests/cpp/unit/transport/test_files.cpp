// Files that somebody else may have put there.
#include "tech_renaissance/detail/system/files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <variant>

#include "check.h"
#include "tech_renaissance/detail/transport/file/host.h"
#include "temporary_directory.h"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>

using tr::Tensor;
using tr::detail::Arrival;
using tr::detail::AttachmentKind;
using tr::detail::FileHost;
using tr::detail::PlacedAttachment;
using tr::detail::read_file;
using tr::detail::Ready;
using tr::detail::RefusedFile;
using tr::detail::Reply;
using tr::detail::Unreadable;
using namespace std::chrono_literals;

namespace {

template <class Action>
bool is_refused(Action action) {
    try {
        action();
    } catch (const RefusedFile&) {
        return true;
    }
    return false;
}

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

struct Worker {
    Worker() {
        host.prepare();
        write(directory / "status.txt", "ready");
        CHECK(std::holds_alternative<Ready>(*host.receive(1s)));
    }
    std::string refusal() {
        const std::optional<Arrival> arrival = host.receive(1s);
        if (!arrival || !std::holds_alternative<Unreadable>(*arrival)) return "no refusal";
        return std::get<Unreadable>(*arrival).error.code();
    }

    TemporaryDirectory directory;
    FileHost host{directory.path(), ""};
};

const std::string response = R"({"command": "a", "result": "b", "id": 1, "tensors": ["result_0"]})";

}  // namespace

TEST("a file is read, and that there is none is no error") {
    const TemporaryDirectory directory;
    write(directory / "file", "text");
    CHECK_EQ("text", read_file(directory / "file").value_or(""));
    CHECK(!read_file(directory / "missing").has_value());
}

TEST("no more of a file is read than was asked for") {
    const TemporaryDirectory directory;
    write(directory / "file", "text");
    CHECK_EQ("te", read_file(directory / "file", 2).value_or(""));
    CHECK_EQ("text", read_file(directory / "file", 9).value_or(""));
}

TEST("links, pipes, sockets, devices and directories are refused at once") {
    const TemporaryDirectory directory;
    write(directory / "file", "text");
    std::filesystem::create_symlink(directory / "file", directory / "link");
    std::filesystem::create_symlink(directory / "missing", directory / "dangling");
    std::filesystem::create_directory(directory / "directory");
    CHECK_EQ(0, ::mkfifo((directory / "pipe").c_str(), 0600));
    for (const char* name : {"link", "dangling", "directory", "pipe"}) {
        CHECK(is_refused([&] { read_file(directory / name); }));
    }
    CHECK(is_refused([] { read_file("/dev/null"); }));
}

TEST("a length that the disk does not hold is refused") {
    const TemporaryDirectory directory;
    write(directory / "file", "text");
    std::filesystem::resize_file(directory / "file", 1 << 20);
    CHECK_EQ(1 << 20, read_file(directory / "file")->size());
    std::filesystem::resize_file(directory / "file", std::uintmax_t{1} << 40);
    CHECK(is_refused([&] { read_file(directory / "file"); }));
}

TEST("a user's own file may be a link") {
    const TemporaryDirectory directory;
    Tensor::zeros({2}).save(directory / "tensor.tsr");
    std::filesystem::create_symlink(directory / "tensor.tsr", directory / "link.tsr");
    CHECK_EQ(2, Tensor::load(directory / "link.tsr").numel());
}

TEST("a response that is no file is unreadable, and is read once") {
    Worker worker;
    write(worker.directory / "elsewhere", response);
    std::filesystem::create_symlink(worker.directory / "elsewhere", worker.directory / "response.json");
    CHECK_EQ("bad_frame", worker.refusal());
    CHECK(std::filesystem::exists(worker.directory / "elsewhere"));
    std::filesystem::create_directory(worker.directory / "response.json");
    CHECK_EQ("bad_frame", worker.refusal());
    CHECK_EQ(0, ::mkfifo((worker.directory / "response.json").c_str(), 0600));
    CHECK_EQ("bad_frame", worker.refusal());
    write(worker.directory / "response.json", response);
    std::filesystem::resize_file(worker.directory / "response.json", std::uintmax_t{1} << 40);
    CHECK_EQ("bad_frame", worker.refusal());
    CHECK(!worker.host.receive(0ms).has_value());
}

TEST("a result that is a link makes its response unreadable") {
    Worker worker;
    Tensor::zeros({2}).save(worker.directory / "elsewhere.tsr");
    std::filesystem::create_symlink(worker.directory / "elsewhere.tsr", worker.directory / "result_0.tsr");
    write(worker.directory / "response.json", response);
    CHECK_EQ("bad_frame", worker.refusal());
}

TEST("a status that cannot be read is none") {
    const TemporaryDirectory directory;
    FileHost host{directory.path(), ""};
    write(directory / "elsewhere", "ready");
    std::filesystem::create_symlink(directory / "elsewhere", directory / "status.txt");
    CHECK(!host.receive(0ms).has_value());
    std::filesystem::remove(directory / "status.txt");
    std::filesystem::create_directory(directory / "status.txt");
    CHECK(!host.receive(0ms).has_value());
    std::filesystem::remove(directory / "status.txt");
    write(directory / "status.txt", "ready");
    CHECK(std::holds_alternative<Ready>(*host.receive(0ms)));
}

TEST("what stands in the way of a new worker goes, whatever it is") {
    const TemporaryDirectory directory;
    FileHost host{directory.path(), ""};
    write(directory / "elsewhere", "text");
    std::filesystem::create_directories(directory / "worker.json" / "inside");
    CHECK_EQ(0, ::mkfifo((directory / "stack.txt").c_str(), 0600));
    std::filesystem::create_symlink(directory / "elsewhere", directory / "status.txt");
    host.prepare();
    for (const char* name : {"worker.json", "stack.txt", "status.txt"}) {
        CHECK(!std::filesystem::exists(std::filesystem::symlink_status(directory / name)));
    }
    CHECK_EQ("text", read_file(directory / "elsewhere").value_or(""));
}

TEST("a tensor that cannot be put or dropped is told alike") {
    Worker worker;
    std::filesystem::create_directory(worker.directory / "tag.tsr");
    CHECK_THROWS(tr::FormatError, "io_error", worker.host.put_tensor("tag", Tensor::zeros({2})));
    CHECK_THROWS(tr::FormatError, "io_error", worker.host.drop_tensor("tag"));
}

TEST("a request has begun when its file is gone, or is that of another") {
    Worker worker;
    CHECK(worker.host.try_send({"command", "", 1, tr::detail::Dialect::Long}, {}));
    CHECK(worker.host.begun({1}).empty());
    CHECK_EQ(2, worker.host.begun({2, 1}).at(0).id);
    CHECK_EQ(1u, worker.host.begun({2, 1}).size());
    std::filesystem::remove(worker.directory / "request.json");
    CHECK_EQ(2u, worker.host.begun({2, 1}).size());
}

TEST("given-up ids stand in cancel.txt, a line for each, until they are answered or the next worker starts") {
    Worker worker;
    worker.host.ask_to_cancel(18);
    CHECK_EQ("18", read_file(worker.directory / "cancel.txt").value_or(""));
    worker.host.ask_to_cancel(17);
    CHECK_EQ("17\n18", read_file(worker.directory / "cancel.txt").value_or(""));
    write(worker.directory / "response.json", R"({"command": "a", "result": "b", "id": 18, "tensors": []})");
    CHECK(worker.host.receive(1s).has_value());
    worker.host.ask_to_cancel(19);
    CHECK_EQ("17\n19", read_file(worker.directory / "cancel.txt").value_or(""));
    worker.host.prepare();
    CHECK(!std::filesystem::exists(worker.directory / "cancel.txt"));
}

TEST("attachments stand beside their request, until it is answered or the next worker starts") {
    Worker worker;
    Tensor tensor = Tensor::full({2}, 1.0f);
    const std::vector<PlacedAttachment> placed = {
        worker.host.place({AttachmentKind::Tensor, tensor}),
        worker.host.place({AttachmentKind::Bytes, Tensor::zeros({0}, tr::DType::UINT8)})};
    tensor.data<float>()[0] = 5;
    const auto exist = [&](const std::string& id) {
        const bool first = std::filesystem::exists(worker.directory / ("_" + id + "_0.tsr"));
        CHECK_EQ(first, std::filesystem::exists(worker.directory / ("_" + id + "_1.tsr")));
        return first;
    };
    CHECK(worker.host.try_send({"command", "$0", 7, tr::detail::Dialect::Long}, placed));
    CHECK(exist("7"));
    CHECK_EQ(1.0f, Tensor::load((worker.directory / "_7_0.tsr").string()).data<float>()[0]);
    const std::string request = read_file(worker.directory / "request.json").value_or("");
    CHECK(request.find(R"("attachments":[{"kind":0,"name":"_7_0"},{"kind":1,"name":"_7_1"}])") != std::string::npos);

    std::filesystem::remove(worker.directory / "request.json");
    CHECK(worker.host.try_send({"command", "", 8, tr::detail::Dialect::Long}, placed));
    write(worker.directory / "response.json", R"({"command": "a", "result": "b", "id": 7, "tensors": []})");
    CHECK(worker.host.receive(1s).has_value());
    CHECK(!exist("7"));
    CHECK(exist("8"));
    worker.host.prepare();
    CHECK(!exist("8"));
}

TEST("results over files have their kinds, and one that does not fit its kind is refused") {
    Worker worker;
    Tensor::zeros({3}, tr::DType::INT64).save((worker.directory / "result_0.tsr").string());
    const auto arrival_of = [&](int kind) {
        const std::string start = R"({"command": "a", "result": "b", "id": 1, "tensors": ["result_0"], "kinds": [)";
        write(worker.directory / "response.json", start + std::to_string(kind) + "]}");
        return *worker.host.receive(1s);
    };
    CHECK(std::get<Reply>(arrival_of(2)).attachments.at(0).kind == AttachmentKind::Int64List);
    CHECK_EQ("bad_frame", std::get<Unreadable>(arrival_of(1)).error.code());
}
#else
TEST("files are tested on POSIX") {}
#endif
