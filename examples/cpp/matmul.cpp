// Multiply two matrices in a worker with PyTorch. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/matmul_worker.py", "matmul");
    session.start();

    // 4x3 matrix x 3x5 matrix = 4x5 matrix
    session.send_tensor(Tensor::full(Shape(4, 3), 1.5f), "input_a");
    session.send_tensor(Tensor::full(Shape(3, 5), 2.0f), "input_b");

    session.send_request("matmul input_a input_b");
    Tensor result = session.wait_for_tensor(30000);

    std::cout << "shape: " << result.shape() << std::endl;
    result.print("result");
    return 0;
}
