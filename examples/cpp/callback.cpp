// Let a worker call a function of this program, and give it values one by one. Run it from the top of the checkout.
#include <cstdio>

#include "tech_renaissance.h"
using namespace tr;

int main() {
    const std::map<std::string, double> prices = {{"apple", 0.5}, {"pear", 0.75}, {"plum", 0.25}};
    PythonSession session("examples/workers/shop_worker.py", "callback");
    session.start();

    // What a handler calls as self.host.price(item). It runs in the thread that waits for the handler's call.
    session.expose("price", [&prices](const std::string& item) { return prices.at(item); });
    std::printf("total %.2f\n", session.call<double>("total", std::vector<std::string>{"apple", "pear"}));

    // An input: the worker takes its values as it needs them, while it yields its own.
    const std::vector<std::string> basket = {"plum", "plum", "apple"};
    auto receipt = session.stream<std::string, double>("receipt", input_from(basket.begin(), basket.end()));
    for (const std::string& line : receipt) std::printf("%s\n", line.c_str());
    std::printf("total %.2f\n", receipt.result());

    // What the function throws goes through the handler, and comes back.
    try {
        session.call<double>("total", std::vector<std::string>{"melon"});
    } catch (const CommandError& error) {
        std::printf("%s\n", error.code().c_str());
    }
    return 0;
}
