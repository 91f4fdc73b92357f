// Call a worker's commands as if they were functions. Run it from the top of the checkout.
#include <vector>

#include "tech_renaissance.h"
using namespace tr;

struct Settings {
    double rate = 0.1;
    int steps = 100;
    TR_FIELDS(rate, steps)
};

struct Line {
    double slope = 0;
    double offset = 0;
    TR_FIELDS(slope, offset)
};

int main() {
    PythonSession session("examples/workers/trainer_worker.py", "calls");
    session.start();

    std::cout << session.call<std::string>("hello", "world") << std::endl;

    const Tensor scaled = session.call<Tensor>("scale", Tensor::ones(Shape(2, 3)), kw("by", 2.5));
    std::cout << "scaled: " << scaled.data<float>()[0] << std::endl;

    const std::vector<double> x = {0, 1, 2, 3};
    const std::vector<double> y = {1, 3, 5, 7};
    const Line line = session.call<Line>("train", x, y, Settings{0.1, 1000});
    std::cout << "slope " << line.slope << ", offset " << line.offset << std::endl;

    std::vector<Future<Line>> futures;
    for (const int steps : {1, 10, 100}) futures.push_back(session.submit<Line>("train", x, y, Settings{0.1, steps}));
    for (Future<Line>& future : futures) std::cout << "slope " << future.get().slope << std::endl;

    try {
        session.call("train", x, y, kw("settings", Value::dict({{"rat", 0.1}})));
    } catch (const CommandError& error) {
        std::cout << error.code() << std::endl;
    }
    return 0;
}
