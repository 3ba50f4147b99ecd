// All ops by name, and the table of kernels of each instruction-set level.
#include <cstring>

#include "ops/op.h"
#include "runtime/dispatch.h"

namespace fastnn {

#define LEVEL(isa)          \
  namespace isa {           \
  extern const Table table; \
  }
FASTNN_LEVELS
#undef LEVEL

namespace {

const Table* tables[isa_count] = {};

struct Fill {
  Fill() {
#define LEVEL(level) tables[int(Isa::level)] = &level::table;
    FASTNN_LEVELS
#undef LEVEL
  }
} const fill;

}  // namespace

std::vector<Isa> usable_isas() {
  std::vector<Isa> usable;
  for (const Isa isa : supported())
    if (tables[int(isa)]) usable.push_back(isa);
  return usable;
}

bool use_isa(Isa isa) { return tables[int(isa)] && set_isa(isa); }

const Table& kernel_table() { return *tables[int(active_isa())]; }

const OpInfo* find_op(const char* wanted) {
#define FAMILY(name) &name##_family,
  static const Family* const families[] = {
#include "ops/families.def"
  };
#undef FAMILY
  for (const Family* f : families)
    for (size_t i = 0; i < f->count; i++)
      if (!std::strcmp(f->ops[i].name, wanted)) return &f->ops[i];
  return nullptr;
}

}  // namespace fastnn
