// A worker in the loop of a Qt program, to which the session posts. For Qt 5.10 and later, on all platforms.
#include <QCoreApplication>
#include <QMetaObject>

#include "tech_renaissance.h"

int main(int argc, char** argv) {
    QCoreApplication application(argc, argv);
    tr::PythonSession session("examples/workers/hello_worker.py", "qt");
    session.on_done(
        [&application](std::function<void()> dispatch) { QMetaObject::invokeMethod(&application, dispatch); });
    session.start(30000);
    session.submit<std::string>("hello", "qt").on_done([](tr::Future<std::string> done) {
        std::cout << done.get() << std::endl;
        QCoreApplication::quit();
    });
    return application.exec();
}
