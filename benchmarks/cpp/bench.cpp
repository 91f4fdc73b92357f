// Jobs of the benchmarks, C++ host. Each prints one JSON line: {"samples_us": [...], ...}. Usage: bench JOB
// WORKER_SCRIPT [COUNT [ARGUMENTS OF THE SCRIPT]].
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "tech_renaissance.h"
#include "tech_renaissance/detail/transport/shm/arena.h"

namespace {

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void print_samples(const std::vector<double>& samples) {
    std::cout << "{\"samples_us\": [";
    for (std::size_t i = 0; i < samples.size(); ++i) std::cout << (i == 0 ? "" : ", ") << samples[i];
    std::cout << "]}" << std::endl;
}

// Times of `count` runs after a tenth as many to warm up.
void sample(int count, const std::function<void()>& action, std::chrono::milliseconds pause = {}) {
    std::vector<double> samples;
    for (int i = -count / 10 - 2; i < count; ++i) {
        if (pause.count() != 0) std::this_thread::sleep_for(pause);
        const Clock::time_point start = Clock::now();
        action();
        if (i >= 0) samples.push_back(microseconds_since(start));
    }
    print_samples(samples);
}

double cpu_seconds_of_this_process() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Of all its threads, as the scheduler counts: to the nanosecond.
double cpu_seconds_of(const std::string& pid) {
    double nanoseconds = 0;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
        std::ifstream file(thread.path() / "schedstat");
        double of_thread = 0;
        file >> of_thread;
        nanoseconds += of_thread;
    }
    return 1e-9 * nanoseconds;
}

std::string worker_pid(const tr::PythonSession& session) {
    std::ifstream file(session.session_dir() + "/worker.json");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const std::size_t at = text.find("\"pid\": ") + 7;
    return text.substr(at, text.find_first_not_of("0123456789", at) - at);
}

void idle(tr::PythonSession& session, int seconds) {
    session.fetch_response("hello world");
    const std::string pid = worker_pid(session);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double host = cpu_seconds_of_this_process();
    const double worker = cpu_seconds_of(pid);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    std::cout << "{\"host_cpu_s\": " << cpu_seconds_of_this_process() - host
              << ", \"worker_cpu_s\": " << cpu_seconds_of(pid) - worker << ", \"seconds\": " << seconds << "}"
              << std::endl;
}

// In place on both sides: the host's inputs are in shared memory, and so is the result.
void tensors(tr::PythonSession& session, const std::string& command, std::int64_t size, int count) {
    tr::Tensor a = session.empty(tr::Shape(size, size));
    tr::Tensor b = session.empty(tr::Shape(size, size));
    const tr::Tensor values = tr::Tensor::uniform(tr::Shape(size, size), 0.0, 1.0);
    a.from_cpu_data(values.data_ptr(), values.memory_size());
    b.from_cpu_data(values.data_ptr(), values.memory_size());
    session.send_tensors({a, b}, {"a", "b"});
    sample(count, [&] {
        const tr::Tensor result = session.fetch_tensor(command + " a b", 60000);
        if (result.numel() != size * size) std::abort();
    });
}

void small(tr::PythonSession& session, const std::string& command, int count, bool changed) {
    const tr::Tensor a = tr::Tensor::full(tr::Shape(16, 16), 1.5f);
    const tr::Tensor b = tr::Tensor::full(tr::Shape(16, 16), 2.0f);
    session.send_tensors({a, b}, {"a", "b"});
    sample(count, [&] {
        if (changed) session.send_tensors({a, b}, {"a", "b"});
        if (session.fetch_tensor(command + " a b").data<float>()[0] != 3.5f) std::abort();
    });
}

// From ordinary memory into ordinary use: a copy in per input.
void ordinary(tr::PythonSession& session, const std::string& command, std::int64_t size, int count) {
    const tr::Tensor a = tr::Tensor::uniform(tr::Shape(size, size), 0.0, 1.0);
    const tr::Tensor b = tr::Tensor::uniform(tr::Shape(size, size), 0.0, 1.0);
    sample(count, [&] {
        session.send_tensors({a, b}, {"a", "b"});
        const tr::Tensor result = session.fetch_tensor(command + " a b", 60000);
        if (result.data<float>()[0] < 0) std::abort();
    });
}

void copies(std::int64_t size, int count) {
    const tr::Tensor a = tr::Tensor::uniform(tr::Shape(size, size), 0.0, 1.0);
    const tr::Tensor b = tr::Tensor::uniform(tr::Shape(size, size), 0.0, 1.0);
    sample(count, [&] { std::memcpy(b.data_ptr(), a.data_ptr(), a.memory_size()); });
}

// Bytes of memory that both arenas have taken from the system. The host has both open; they are far larger than the
// control segment.
double arenas_nbytes() {
    double nbytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // such as the descriptor of this very loop
        const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
        struct stat status{};
        if (target.rfind("/memfd:tech_renaissance", 0) != 0 || ::stat(entry.path().c_str(), &status) != 0) continue;
        if (status.st_size > (1 << 20)) nbytes += 512.0 * static_cast<double>(status.st_blocks);
    }
    return nbytes;
}

// What a tensor takes of an arena: it stands behind the prefix and the header of its block.
double block_nbytes(const tr::Tensor& tensor) {
    const auto nbytes = static_cast<std::uint64_t>(tensor.memory_size());
    return nbytes == 0 ? 0 : static_cast<double>(tr::detail::shm::size_class(nbytes + 128));
}

// Calls of mixed sizes with a fixed number of live results; memory of the arenas after a tenth of them, at its peak
// after that, and at the end. Live are the results, and the inputs of this call and of the last one.
void memory(tr::PythonSession& session, int count) {
    std::mt19937_64 random(1);
    std::vector<tr::Tensor> live(8);
    double live_nbytes = 0, last_inputs_nbytes = 0, peak_live = 0, warm = 0, peak = 0;
    for (int i = 0; i < count; ++i) {
        const auto side =
            static_cast<std::int64_t>(std::pow(2.0, 2.0 + 7.0 * static_cast<double>(random()) / 1.8446744073709552e19));
        const tr::Tensor a = tr::Tensor::ones(tr::Shape(side, side));
        session.send_tensors({a, a}, {"a", "b"});
        const double inputs_nbytes = 2 * block_nbytes(a);
        tr::Tensor result = session.fetch_tensor("sum a b");
        live_nbytes += block_nbytes(result);
        peak_live = std::max(peak_live, live_nbytes + inputs_nbytes + last_inputs_nbytes);
        last_inputs_nbytes = inputs_nbytes;
        tr::Tensor& slot = live[random() % live.size()];
        live_nbytes -= block_nbytes(slot);
        slot = std::move(result);
        if (i == count / 10) warm = arenas_nbytes();
        if (i >= count / 10 && i % 100 == 0) peak = std::max(peak, arenas_nbytes());
    }
    std::cout << "{\"warm_nbytes\": " << warm << ", \"peak_nbytes\": " << peak
              << ", \"end_nbytes\": " << arenas_nbytes() << ", \"peak_live_nbytes\": " << peak_live << "}" << std::endl;
}

// The limit of a call to a process of its own: one byte over a bare Unix socket to a Python process that echoes it. The
// script's arguments are the descriptor, and those given.
void socket_ping(std::vector<std::string> command, const std::vector<std::string>& arguments, int count,
                 std::chrono::milliseconds pause) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
    command.push_back(std::to_string(ends[1]));
    command.insert(command.end(), arguments.begin(), arguments.end());
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    sample(
        count,
        [&] {
            char byte = '!';
            if (::send(ends[0], &byte, 1, 0) != 1 || ::recv(ends[0], &byte, 1, 0) != 1) std::abort();
        },
        pause);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
}

struct Record {
    int a = 1, b = 2;
    double c = 0.5, d = 0.25;
    std::string e = "one", f = "two";
    bool g = true, h = false;
    std::vector<double> i = {1.5, 2.5};
    std::map<std::string, int> j = {{"three", 3}};
    std::optional<int> k = 4;
    double m = 0.125;
    TR_FIELDS(a, b, c, d, e, f, g, h, i, j, k, m)
};

void add(tr::PythonSession& session, int count, bool in_shared_memory) {
    tr::Tensor a = tr::Tensor::full(tr::Shape(16, 16), 1.5f);
    tr::Tensor b = tr::Tensor::full(tr::Shape(16, 16), 2.0f);
    if (in_shared_memory) {
        for (tr::Tensor* tensor : {&a, &b}) {
            const tr::Tensor shared = session.empty(tr::Shape(16, 16));
            std::memcpy(shared.data_ptr(), tensor->data_ptr(), tensor->memory_size());
            *tensor = shared;
        }
    }
    sample(count, [&] {
        if (session.call<tr::Tensor>("add", a, b).data<float>()[0] != 3.5f) std::abort();
    });
}

// A sample is the time of one of a thousand that are under way at once.
void submits(tr::PythonSession& session, int count) {
    std::vector<double> samples;
    for (int i = -2; i < count; ++i) {
        const Clock::time_point begin = Clock::now();
        std::vector<tr::Future<std::string>> futures;
        for (int n = 0; n < 1000; ++n) futures.push_back(session.submit<std::string>("greet", "world"));
        for (tr::Future<std::string>& future : futures) future.get();
        if (i >= 0) samples.push_back(microseconds_since(begin) / 1000);
    }
    print_samples(samples);
}

// A sample is the time of one of ten thousand items.
void stream(tr::PythonSession& session, int count) {
    std::vector<double> samples;
    for (int i = -2; i < count; ++i) {
        const Clock::time_point begin = Clock::now();
        int expected = 0;
        for (const int item : session.stream<int>("count", 10'000)) {
            if (item != expected++) std::abort();
        }
        if (i >= 0) samples.push_back(microseconds_since(begin) / 10'000);
    }
    print_samples(samples);
}

// A sample is the time of one of a hundred calls from a handler back to a function of this host, in one call.
void callbacks(tr::PythonSession& session, int count) {
    session.expose("increment", [](int number) { return number + 1; });
    std::vector<double> samples;
    for (int i = -2; i < count; ++i) {
        const Clock::time_point begin = Clock::now();
        if (session.call<int>("ask", 100) != 100) std::abort();
        if (i >= 0) samples.push_back(microseconds_since(begin) / 100);
    }
    print_samples(samples);
}

// A sample is the time to cancel one of the last hundred calls of a thousand, while the worker serves none.
void cancels(tr::PythonSession& session, int count) {
    std::vector<double> samples;
    for (int i = -2; i < count; ++i) {
        tr::Future<void> rest = session.submit<void>("rest", 0.05);
        std::vector<tr::Future<std::string>> futures;
        for (int n = 0; n < 1000; ++n) futures.push_back(session.submit<std::string>("greet", "world"));
        for (std::size_t n = 900; n < futures.size(); ++n) {
            const Clock::time_point begin = Clock::now();
            futures[n].cancel();
            if (i >= 0) samples.push_back(microseconds_since(begin));
        }
        futures.resize(900);
        for (tr::Future<std::string>& future : futures) future.get();
        rest.get();
    }
    print_samples(samples);
}

void start(const std::string& script, int count) {
    std::vector<double> samples;
    for (int i = -1; i < count; ++i) {
        const Clock::time_point begin = Clock::now();
        tr::PythonSession session(script, "bench_start", true);
        session.start();
        session.fetch_response("hello world");
        if (i >= 0) samples.push_back(microseconds_since(begin));
    }
    print_samples(samples);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string job = argc > 2 ? argv[1] : "";
    const std::string script = argc > 2 ? argv[2] : "";
    const int count = argc > 3 ? std::atoi(argv[3]) : 1000;
    if (job == "start") return start(script, count), 0;
    if (job == "copy") return copies(4096, count), 0;
    const auto milliseconds = [](int number) { return std::chrono::milliseconds(number); };
    if (job == "socket" || job == "socket_every_20_ms") {
        const std::vector<std::string> arguments(argv + std::min(argc, 4), argv + argc);
        const std::chrono::milliseconds pause = milliseconds(job == "socket" ? 0 : 20);
        return socket_ping({std::getenv("TR_PYTHON"), script}, arguments, count, pause), 0;
    }

    tr::PythonSession session(script, "bench", true);
    session.start();
    session.wait_until_ready(60000);
    if (const char* threads = std::getenv("TR_BENCH_THREADS");
        threads && script.find("bench_worker") != std::string::npos)
        session.fetch_response(std::string("threads ") + threads);
    const auto hello = [&] { session.fetch_response("hello world"); };
    const std::map<std::string, std::function<void()>> jobs = {
        {"text", [&] { sample(count, hello); }},
        {"text_every_5_ms", [&] { sample(count, hello, milliseconds(5)); }},
        {"text_every_1_ms", [&] { sample(count, hello, milliseconds(1)); }},
        {"text_every_20_ms", [&] { sample(count, hello, milliseconds(20)); }},
        {"idle", [&] { idle(session, 10); }},
        {"sum_16_changed", [&] { small(session, "sum", count, true); }},
        {"add_16_changed", [&] { small(session, "add", count, true); }},
        {"sum_16_unchanged", [&] { small(session, "sum", count, false); }},
        {"add_1024", [&] { tensors(session, "add", 1024, count); }},
        {"add_4096", [&] { tensors(session, "add", 4096, count); }},
        {"matmul_1024", [&] { tensors(session, "matmul", 1024, count); }},
        {"ordinary_1024", [&] { ordinary(session, "add", 1024, count); }},
        {"ordinary_4096", [&] { ordinary(session, "add", 4096, count); }},
        {"natural_4096", [&] { ordinary(session, "sum", 4096, count); }},
        {"memory", [&] { memory(session, count); }},
        {"call_greet", [&] { sample(count, [&] { session.call<std::string>("greet", "world"); }); }},
        {"call_add", [&] { add(session, count, false); }},
        {"call_add_shared", [&] { add(session, count, true); }},
        {"call_record", [&] { sample(count, [&] { session.call<Record>("echo", Record{}); }); }},
        {"submits", [&] { submits(session, count); }},
        {"callbacks", [&] { callbacks(session, count); }},
        {"stream", [&] { stream(session, count); }},
        {"cancels", [&] { cancels(session, count); }},
    };
    const auto found = jobs.find(job);
    if (found == jobs.end()) {
        std::cerr << "no such job: " << job << std::endl;
        return 2;
    }
    found->second();
    return 0;
}
