// Call functions by name, with no worker script at all: the default server offers those of PyTorch.
#include "tech_renaissance.h"
using namespace tr;

int main() {
    PythonSession session("default", "default_server");
    session.start();
    std::cout << session.call<std::string>("hello", "world") << "\n";
    std::cout << session.call<int>("add", 1, 2, CallOptions{std::chrono::seconds(30)}) << "\n";

    const Tensor x = Tensor::from_vector<float>({-1, 0, 1, 2}, Shape(2, 2));
    session.call<Tensor>("relu", x).print("relu");
    session.call<Tensor>("softmax", x, kw("dim", 1)).print("softmax");
    session.call<Tensor>("linalg.inv", x).print("inverse");
    const auto [values, indices] = session.call<std::tuple<Tensor, Tensor>>("topk", x, 1);
    std::cout << "largest of each row:\n" << values << "\n" << indices << "\n";
    return 0;
}
