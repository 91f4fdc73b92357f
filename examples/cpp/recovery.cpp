// Go on after a worker hung, and after it crashed. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/fragile_worker.py", "recovery", true);
    session.start();
    const Tensor numbers = Tensor::from_vector<float>({1, 2, 3}, Shape(3));

    for (const std::string command : {"hang", "crash"}) {
        try {
            session.call(command, CallOptions{std::chrono::milliseconds(200)});
        } catch (const TRException& error) {
            std::cout << command << ": " << error.code() << "\n";

            session.terminate();
            session.start();
            const std::vector<float> result = session.call<Tensor>("double", numbers).to_vector<float>();
            std::cout << "a new worker doubled the numbers: " << result[0] << ", " << result[1] << ", " << result[2]
                      << "\n";
        }
    }
    return 0;
}
