// Which instruction sets this build and this processor have.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace ostinato {

std::vector<const Isa*> instruction_sets();      // best first
const Isa& choose_isa(const std::string& name);  // "" takes OSTINATO_ISA or the best; throws if the machine lacks it

}  // namespace ostinato
