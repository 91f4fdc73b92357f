// A tiny test harness. A test is a sentence; a file of tests is a program, and so are several that are compiled as one.
//
//     TEST("a scalar has one element") { CHECK_EQ(1, Shape().numel()); }
//
// Without arguments the program runs every test, `--list` prints the names, a name runs that one. A failed check prints
// a line and its test goes on; checks may be made from any thread. The exit status is nonzero if anything failed.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*run)();
};
inline std::vector<Test> tests;
inline std::atomic<int> failures{0};

inline bool add(const char* name, void (*run)()) { return tests.push_back({name, run}), true; }

inline void report(const std::string& place, const std::string& problem) {
    if (problem.empty()) return;
    ++failures;
    std::cout << place + " " + problem + "\n" << std::flush;
}

template <class T, class = void>
struct Printable : std::false_type {};
template <class T>
struct Printable<T, std::void_t<decltype(std::cout << std::declval<const T&>())>> : std::true_type {};

template <class T>
std::string show(const T& value) {
    std::ostringstream out;
    if constexpr (Printable<T>::value) out << std::boolalpha << value;
    return Printable<T>::value ? out.str() : "(a value without <<)";
}

template <class T>
bool negative(T value) {
    if constexpr (std::is_signed_v<T>) return value < 0;
    return false;
}

// What is wrong, or nothing. Integers are equal by value, whatever their signs and sizes.
template <class A, class B>
std::string compare(const A& expected, const B& actual) {
    bool equal = false;
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B>)
        equal = negative(expected) == negative(actual) && std::uintmax_t(expected) == std::uintmax_t(actual);
    else
        equal = expected == actual;
    return equal ? "" : "expected " + show(expected) + ", got " + show(actual);
}

template <class Error, class Action>
std::string thrown(const std::string& code, Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code() == code ? "" : "threw code " + error.code() + ": " + error.what();
    } catch (const std::exception& error) {
        return std::string("threw another type: ") + error.what();
    }
    return "threw nothing";
}

// What `action` throws, for tests that look closer. Throws if that is nothing; lets others through.
template <class Error, class Action>
Error caught(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("nothing was thrown");
}

inline int main(const std::string& only) {
    int ran = 0;
    for (const Test& test : tests) {
        if (only == "--list") std::cout << test.name << "\n";
        if (only == "--list" || (!only.empty() && only != test.name)) continue;
        ++ran;
        try {
            test.run();
        } catch (const std::exception& error) {
            report(test.name, std::string("ended by an exception: ") + error.what());
        }
    }
    if (only != "--list") std::cout << ran << " tests, " << failures << " failures\n";
    return failures > 0 || (ran == 0 && only != "--list") ? 1 : 0;
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define CHECK_PLACE(...) (__FILE__ + (":" + std::to_string(__LINE__)) + ": " #__VA_ARGS__)
#define TEST(sentence) CHECK_TEST_(sentence, CHECK_JOIN(test_, __COUNTER__))
#define CHECK_TEST_(sentence, function)                                                               \
    static void function();                                                                           \
    [[maybe_unused]] static const bool CHECK_JOIN(function, _added) = check::add(sentence, function); \
    static void function()
#define CHECK(...) check::report(CHECK_PLACE(__VA_ARGS__), (__VA_ARGS__) ? "" : "is false")
#define CHECK_EQ(expected, ...) check::report(CHECK_PLACE(__VA_ARGS__), check::compare(expected, __VA_ARGS__))
#define CHECK_THROWS(Type, code, ...) \
    check::report(CHECK_PLACE(__VA_ARGS__), check::thrown<Type>(code, [&] { static_cast<void>(__VA_ARGS__); }))

int main(int argc, char** argv) { return check::main(argc > 1 ? argv[1] : ""); }
