// Send several tensors in one go, and get several back from one call. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    const Tensor a = Tensor::full(Shape(4, 3), 1.5f);
    const Tensor b = Tensor::from_vector<std::int32_t>({1, 2, 6}, Shape(3));
    const Tensor c = Tensor::zeros(Shape(2, 2, 2), DType::FP64);

    PythonSession session("examples/workers/batch_worker.py", "batch");
    session.start();
    const auto results = session.call<std::vector<Tensor>>("batch_process", a, b, c);

    const std::vector<std::string> names = {"input_a", "input_b", "input_c"};
    for (std::size_t i = 0; i < results.size(); ++i) {
        const std::vector<float> of = results[i].to_vector<float>();
        std::cout << names[i] << ": min " << of[0] << ", mean " << of[1] << ", max " << of[2] << "\n";
    }
    return 0;
}
