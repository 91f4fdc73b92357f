// Do something else while the worker works, and call it from several threads. Run it from the top of the checkout.
#include <future>

#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/prime_worker.py", "async_call");
    session.start();

    session.send_request("primes 1000000");
    auto future = std::async(std::launch::async, [&session] { return session.wait_for_tensor(10000); });
    std::cout << "The host goes on while the worker searches.\n";
    std::cout << future.get().numel() << " primes below 1000000\n";

    // A session may be used from several threads: each call gets its own answer.
    const std::vector<std::string> limits = {"10", "100", "1000", "10000"};
    std::vector<std::future<std::string>> counts;
    for (const std::string& limit : limits) {
        counts.push_back(
            std::async(std::launch::async, [&session, limit] { return session.fetch_response("primes " + limit); }));
    }
    for (std::size_t i = 0; i < limits.size(); ++i) {
        std::cout << counts[i].get() << " primes below " << limits[i] << "\n";
    }
    return 0;
}
