// As much of Asio and Qt as docs/event-loops.md and examples/event_loops need, to compile them.
#pragma once

#include <functional>
#include <iostream>
#include <utility>

namespace boost {
namespace system {
class error_code {
public:
    explicit operator bool() const { return false; }
};
}  // namespace system
namespace asio {
class io_context {
public:
    void run() {}
    void stop() {}
};
template <class Function>
void post(io_context&, Function&& function) {
    function();
}
namespace posix {
class stream_descriptor {
public:
    enum wait_type { wait_read };
    stream_descriptor(io_context&, int) {}
    template <class Handler>
    void async_wait(wait_type, Handler handler) {
        std::function<void(system::error_code)> kept = std::move(handler);
    }
    int release() { return 0; }
};
}  // namespace posix
}  // namespace asio
}  // namespace boost

class QObject {
public:
    template <class Sender, class Signal, class Slot>
    static void connect(Sender*, Signal, Slot slot) {
        std::function<void()> kept = std::move(slot);
    }
};
class QSocketNotifier : public QObject {
public:
    enum Type { Read };
    QSocketNotifier(int, Type, QObject*) {}
    void activated() {}
};
class QMetaObject {
public:
    template <class Function>
    static void invokeMethod(QObject*, Function&& function) {
        function();
    }
};
class QCoreApplication : public QObject {
public:
    QCoreApplication(int&, char**) {}
    int exec() { return 0; }
    static void quit() {}
};
