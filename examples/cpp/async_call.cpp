// Do something else while the worker works, and call it from several threads. Run it from the top of the checkout.
#include <future>

#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/prime_worker.py", "async_call");
    session.start();

    Future<Tensor> future = session.submit<Tensor>("primes", 1000000);
    std::cout << "The host goes on while the worker searches.\n";
    std::cout << future.get().numel() << " primes below 1000000\n";

    // A session may be used from several threads: each call gets its own answer.
    const std::vector<int> limits = {10, 100, 1000, 10000};
    std::vector<std::future<Tensor>> found;
    for (const int limit : limits) {
        found.push_back(
            std::async(std::launch::async, [&session, limit] { return session.call<Tensor>("primes", limit); }));
    }
    for (std::size_t i = 0; i < limits.size(); ++i) {
        std::cout << found[i].get().numel() << " primes below " << limits[i] << "\n";
    }
    return 0;
}
