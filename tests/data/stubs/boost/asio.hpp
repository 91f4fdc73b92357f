#include "../../event_loops.h"
