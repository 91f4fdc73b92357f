#include <tech_renaissance.h>
