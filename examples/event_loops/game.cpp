// A game loop, which takes in what the worker says between frames. Run it from the top of the checkout.
#include <thread>

#include "tech_renaissance.h"
using namespace tr;

// What is drawn.
struct Scene {
    double trained = 0;  // how far the opponent's training is, from 0 to 1
    bool is_over = false;
};

int main() {
    PythonSession session("examples/workers/regression_worker.py", "game");
    session.start(30000);

    Scene scene;
    const Tensor x = Tensor::from_vector<double>({-1, 0, 1}, Shape(3));
    const Tensor y = Tensor::from_vector<double>({1, 3, 5}, Shape(3));
    const auto show = [&scene](const Progress& progress) { scene.trained = progress.fraction().value_or(0); };
    session.submit("train", x, y, 200, on_progress(show)).on_done([&scene](Future<Value> done) {
        std::cout << "the opponent has trained for " << done.get()["steps"].as<int>() << " steps\n";
        scene.is_over = true;
    });
    while (!scene.is_over) {
        session.dispatch();
        std::this_thread::sleep_for(std::chrono::milliseconds(16));  // draw the scene
    }
    std::cout << "the last frame shows " << 100 * scene.trained << "%\n";
    return 0;
}
