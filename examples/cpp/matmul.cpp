// Multiply two matrices in a worker with PyTorch. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("examples/workers/matmul_worker.py", "matmul");
    session.start();

    // 4x3 matrix x 3x5 matrix = 4x5 matrix
    const Tensor a = Tensor::full(Shape(4, 3), 1.5f);
    const Tensor b = Tensor::full(Shape(3, 5), 2.0f);
    const Tensor result = session.call<Tensor>("matmul", a, b, CallOptions{std::chrono::seconds(30)});

    std::cout << "shape: " << result.shape() << std::endl;
    result.print("result");
    return 0;
}
