// Tensors in shared memory, with a worker's end that is played by the test: tags, leases, and how long they live.
#include "tech_renaissance/detail/transport/shm/segment.h"

#ifdef TR_HAS_SHARED_MEMORY

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "shm_host_fixture.h"
#include "tech_renaissance/detail/transport/shm/host.h"

using shm_host_fixture::a_drop_and_a_request;
using shm_host_fixture::a_put_and_a_request;
using shm_host_fixture::HostAndWorker;
using shm_host_fixture::only_a_request;
using tr::DType;
using tr::Shape;
using tr::Tensor;
using tr::detail::ShmHost;
namespace shm = tr::detail::shm;
using namespace std::chrono_literals;

TEST("a tensor of empty is sent as it is, any other is copied") {
    HostAndWorker f;
    Tensor shared = f.host->empty(Shape(4), DType::FP32);
    f.host->put_tensor("shared", shared);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    shared.data<float>()[0] = 5;
    CHECK_EQ(5.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));

    Tensor ordinary = Tensor::full(Shape(4), 1.0f);
    f.host->put_tensor("ordinary", ordinary);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    ordinary.data<float>()[0] = 5;
    CHECK_EQ(1.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));

    f.host->put_tensor("another shape", shared.reshape(Shape(2, 2)));
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    shared.data<float>()[0] = 6;
    CHECK_EQ(5.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
}

TEST("a tensor goes over the last one of its tag if the worker says that it may") {
    HostAndWorker f;
    const auto put = [&](float value, const Shape& shape) {
        f.host->put_tensor("t", Tensor::full(shape, value));
        CHECK(a_put_and_a_request == f.kinds_with_a_request());
        CHECK_EQ(value, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
        return f.worker->last_put().lent;
    };
    const shm::Lent first = put(1, Shape(4));
    f.worker->mark_idle(first);
    const shm::Lent second = put(2, Shape(4));
    CHECK(first.offset != second.offset);  // because a request is in work

    f.worker->mark_idle(second);
    f.worker->set_served(2);
    const shm::Lent third = put(3, Shape(4));
    CHECK_EQ(second.offset, third.offset);
    CHECK(second.lease < third.lease);

    f.worker->set_served(3);
    const shm::Lent fourth = put(4, Shape(4));
    CHECK(third.offset != fourth.offset);  // because the mark is that of an earlier lease

    f.worker->mark_idle(fourth);
    f.worker->set_served(4);
    CHECK(fourth.offset != put(5, Shape(2, 2)).offset);
}

TEST("a tag is announced when it changes, and only then") {
    HostAndWorker f;
    const Tensor shared = f.host->empty(Shape(4), DType::FP32);
    f.host->put_tensor("t", shared);
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    CHECK(only_a_request == f.kinds_with_a_request());
    f.host->put_tensor("t", shared);
    CHECK(only_a_request == f.kinds_with_a_request());
    f.host->put_tensor("t", Tensor::zeros(Shape(4)));
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    f.host->drop_tensor("t");
    CHECK(a_drop_and_a_request == f.kinds_with_a_request());
    f.host->drop_tensor("t");
    CHECK(only_a_request == f.kinds_with_a_request());
}

TEST("tags are announced to the next worker, with the headers that they had") {
    HostAndWorker f;
    f.host->put_tensor("t", Tensor::full(Shape(4), 1.0f));
    f.kinds_with_a_request();
    std::memset(f.worker->header_of(f.worker->last_put().lent), 0xff, 64);
    f.worker = f.start();
    CHECK(a_put_and_a_request == f.kinds_with_a_request());
    CHECK_EQ("t", f.worker->last_put().tag);
    CHECK_EQ(0, std::memcmp(f.worker->header_of(f.worker->last_put().lent), "TSR!", 4));
    CHECK_EQ(1.0f, *reinterpret_cast<float*>(f.worker->data_of(f.worker->last_put().lent)));
}

TEST("what has begun can be asked for while the next worker takes the place of the last one") {
    HostAndWorker f;
    std::atomic<bool> over{false};
    std::thread asker([&] {
        while (!over) CHECK(f.host->begun({1}).empty());
    });
    for (int i = 0; i < 200; ++i) f.start();
    over = true;
    asker.join();
}

TEST("a lease is returned when the last copy of its tensor is gone, in whatever thread") {
    HostAndWorker f;
    f.worker->make(4096, Shape(100));
    auto result = std::make_unique<Tensor>(f.result({4096, 7}));
    CHECK_EQ(1, result->data<std::uint8_t>()[99]);
    std::thread other([copy = *result, &f]() mutable {
        CHECK_EQ(0, f.worker->returned(4096));
        copy = Tensor();
    });
    other.join();
    CHECK_EQ(0, f.worker->returned(4096));
    std::thread([&] { result = nullptr; }).join();
    CHECK_EQ(7, f.worker->returned(4096));
}

TEST("of two leases on one block the later one is returned, when both are gone") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    Tensor first = f.result({0, 1});
    Tensor second = f.result({0, 2});
    CHECK(first.data_ptr() == second.data_ptr());
    second = Tensor();
    CHECK_EQ(0, f.worker->returned(0));
    first = Tensor();
    CHECK_EQ(2, f.worker->returned(0));
}

TEST("a lease that ends late does not cover one that was returned after it") {
    const shm::Segment segment(std::size_t{1} << 20);
    const auto window = std::make_shared<shm::Mapping>(segment.descriptor(), 0, segment.nbytes());
    auto early = std::make_unique<shm::Lease>(window, shm::Lent{0, 1});
    auto late = std::make_unique<shm::Lease>(window, shm::Lent{0, 2});
    late = nullptr;
    early = nullptr;
    CHECK_EQ(2, window->word(0).load());
}

TEST("results that are let go of in other threads while new ones come are all returned") {
    HostAndWorker f;
    for (std::uint64_t block = 0; block < 16; ++block) f.worker->make(4096 * block, Shape(100));
    std::vector<std::thread> threads;
    for (std::uint64_t lease = 1; lease <= 2000; ++lease) {
        Tensor result = f.result({4096 * (lease % 16), lease});
        if (threads.size() == 8) {
            threads.front().join();
            threads.erase(threads.begin());
        }
        threads.emplace_back([kept = std::move(result)]() mutable { kept = Tensor(); });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::uint64_t lease = 1985; lease <= 2000; ++lease) CHECK_EQ(lease, f.worker->returned(4096 * (lease % 16)));
}

TEST("results and tensors of empty outlive their transport") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    const Tensor result = f.result({0, 1});
    const Tensor shared = f.host->empty(Shape(3), DType::INT64);
    f.host = nullptr;
    f.worker = nullptr;
    CHECK_EQ(1, result.data<std::uint8_t>()[0]);
    shared.data<std::int64_t>()[2] = 4;
    CHECK_EQ(4, shared.data<std::int64_t>()[2]);
}

TEST("what a fork of the host lets go of is not let go of") {
    HostAndWorker f;
    f.worker->make(0, Shape(100));
    Tensor result = f.result({0, 1});
    Tensor shared = f.host->empty(Shape(3), DType::INT64);
    const pid_t child = ::fork();
    if (child == 0) {
        result = Tensor();
        shared = Tensor();
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    CHECK_EQ(0, f.worker->returned(0));
    result = Tensor();
    CHECK_EQ(1, f.worker->returned(0));
}

TEST("a tensor of empty keeps one window of a transport that is gone, and no descriptor") {
    const auto count = [](const char* folder) {
        return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
    };
    const auto descriptors = count("/proc/self/fd");
    const auto mappings = count("/proc/self/map_files");
    auto host = std::make_unique<ShmHost>();
    host->prepare();
    Tensor shared = host->empty(Shape(3), DType::INT64);
    Tensor large = host->empty(Shape(20 << 20), DType::UINT8);
    host = nullptr;
    CHECK_EQ(descriptors, count("/proc/self/fd"));
    CHECK_EQ(mappings + 2, count("/proc/self/map_files"));
    shared.data<std::int64_t>()[0] = 7;
    shared = Tensor();
    CHECK_EQ(mappings + 1, count("/proc/self/map_files"));
}

TEST("a host without standard streams has no descriptor of ours in their place") {
    const pid_t child = ::fork();
    if (child == 0) {
        for (const int stream : {0, 1, 2}) ::close(stream);
        const HostAndWorker f;
        bool is_clear = true;
        for (const int descriptor : f.host->prepare().descriptors) is_clear = is_clear && descriptor > 2;
        ::_exit(is_clear ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    CHECK_EQ(0, status);
}

TEST("blocks beyond 32 bits are where they are") {
    HostAndWorker f;
    const std::uint64_t far = (std::uint64_t{6} << 30) + 4096;
    f.worker->make(far, Shape(100));
    Tensor result = f.result({far, (std::uint64_t{1} << 40) + 1});
    CHECK_EQ(1, result.data<std::uint8_t>()[99]);
    result = Tensor();
    CHECK_EQ((std::uint64_t{1} << 40) + 1, f.worker->returned(far));
}

#else
#include "check.h"
#endif
