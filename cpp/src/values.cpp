// Values and bodies, compiled once: TR_COMPILED in tech_renaissance/config.h.
#include "tech_renaissance/detail/surface/decoder.h"
#include "tech_renaissance/detail/surface/decoder_trials.h"
#include "tech_renaissance/detail/surface/encoder.h"
#include "tech_renaissance/detail/surface/exposed.h"
#include "tech_renaissance/detail/surface/value.h"
