// Send several tensors in one go, and get several back from one call. Run it from the top of the checkout.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    const std::vector<std::string> tags = {"input_a", "input_b", "input_c"};
    const std::vector<Tensor> tensors = {
        Tensor::full(Shape(4, 3), 1.5f),
        Tensor::from_vector<std::int32_t>({1, 2, 6}, Shape(3)),
        Tensor::zeros(Shape(2, 2, 2), DType::FP64),
    };

    PythonSession session("examples/workers/batch_worker.py", "batch");
    session.start();
    session.send_tensors(tensors, tags);
    const std::vector<Tensor> results = session.fetch_tensors("batch_process input_a input_b input_c", 5000);

    for (std::size_t i = 0; i < results.size(); ++i) {
        const std::vector<float> of = results[i].to_vector<float>();
        std::cout << tags[i] << ": min " << of[0] << ", mean " << of[1] << ", max " << of[2] << "\n";
    }
    return 0;
}
