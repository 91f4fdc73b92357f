// Go on after a worker hung, and after it crashed. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/fragile_worker.py", "recovery", true);
    session.start();
    session.send_tensor(Tensor::from_vector<float>({1, 2, 3}, Shape(3)), "input_a");

    for (const std::string command : {"hang", "crash"}) {
        try {
            session.fetch_tensor(command, 200);
        } catch (const TRException& error) {
            std::cout << command << ": " << error.code() << "\n";

            // The tensor sent under a tag outlives the worker; only the request is sent again.
            session.terminate();
            session.start();
            const std::vector<float> result = session.fetch_tensor("double input_a").to_vector<float>();
            std::cout << "a new worker doubled the tensor: " << result[0] << ", " << result[1] << ", " << result[2]
                      << "\n";
        }
    }
    return 0;
}
