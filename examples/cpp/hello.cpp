// Ask a worker for a greeting. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/hello_worker.py", "hello");
    session.start();
    session.wait_until_ready(5000);

    std::string response = session.call<std::string>("hello", "world");
    std::cout << "The worker says: " << response << std::endl;

    session.please_exit(5000, true);
    return 0;
}
