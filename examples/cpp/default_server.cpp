// Call functions by name, with no worker script at all: the default server offers those of PyTorch.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("default", "default_server");
    session.start();
    std::cout << session.fetch_response("hello world") << "\n";
    std::cout << session.fetch_response("add 1 2", 30000) << "\n";

    const Tensor x = Tensor::from_vector<float>({-1, 0, 1, 2}, Shape(2, 2));
    session.calculate("relu", x).print("relu");
    session.calculate("softmax dim=1", x).print("softmax");

    session.send_tensor(x, "x");
    session.fetch_tensor("linalg.inv x").print("inverse");
    const std::vector<Tensor> largest = session.fetch_tensors("topk x 1");
    std::cout << "largest of each row:\n" << largest[0] << "\n" << largest[1] << "\n";
    return 0;
}
