// What session.cpp would include without a session: the limit of its compile time.
#include <filesystem>
#include <future>
#include <iostream>
#include <string>
#include <vector>

int main() {}
