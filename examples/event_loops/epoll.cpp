// For Linux: an epoll loop with a timer and a session, which never waits. Run it from the top of the checkout.
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tech_renaissance.h"
using namespace tr;

// Makes the loop wake when a descriptor can be read.
void watch(int loop, int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
}

int main() {
    PythonSession session("examples/workers/shop_worker.py", "epoll");
    session.expose("price", [](const std::string& item) { return item == "apple" ? 0.5 : 0.75; });
    session.start(30000);

    const int loop = epoll_create1(EPOLL_CLOEXEC);
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const itimerspec soon = {{0, 0}, {0, 1000000}};
    timerfd_settime(timer, 0, &soon, nullptr);
    watch(loop, timer);
    watch(loop, session.wait_handle());

    bool is_done = false;
    while (!is_done) {
        epoll_event event;
        if (epoll_wait(loop, &event, 1, -1) == 1 && event.data.fd == timer) {
            epoll_ctl(loop, EPOLL_CTL_DEL, timer, nullptr);
            std::cout << "the timer: submit a call\n";
            session.submit<double>("total", std::vector<std::string>{"apple", "pear"})
                .on_done([&is_done](Future<double> total) {
                    std::cout << "the worker: " << total.get() << "\n";
                    is_done = true;
                });
        }
        session.dispatch();  // sends what was submitted, runs `price` and the callback; never waits
    }
    close(timer);
    close(loop);
    return 0;
}
