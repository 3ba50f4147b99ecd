#include "plan/plan.h"

#include <algorithm>
#include <bit>

namespace fastnn {

int Plan::add_slot(char* base) {
  layout_.base.push_back(base);
  layout_.moving.push_back(false);
  return int(layout_.base.size()) - 1;
}

void Plan::tie(const std::vector<Spot>& spots) {
  const Call& c = layout_.nodes.back().call;
  for (size_t i = 0; i < spots.size(); i++) {
    if (spots[i].slot < 0) continue;
    size_t at = i;  // a planned copy has moved the original behind the outputs
    for (int k = 0; k < c.n_copies; k++)
      if (c.copy[k].to == i) at = c.copy[k].from;
    layout_.ties.push_back({layout_.nodes.size() - 1, at, spots[i]});
  }
  layout_.scratch = std::max(layout_.scratch, c.scratch + c.copied);
  cost_ += c.cost;
}

int Plan::take() {
  unsigned busy = busy_.load(std::memory_order_relaxed);
  int number;
  do {
    if (busy == all()) return -1;
    number = std::countr_one(busy);
  } while (!busy_.compare_exchange_weak(busy, busy | 1u << number, std::memory_order_acquire));
  if (!frames_[number]) {
    try {
      frames_[number] = std::make_unique<Frame>(layout_);
    } catch (...) {
      give(number);
      throw;
    }
  }
  return number;
}

void Plan::give(int number) noexcept {
  busy_.fetch_and(~(1u << number), std::memory_order_release);
  busy_.notify_one();
}

void Plan::wait() const noexcept { busy_.wait(all(), std::memory_order_relaxed); }

}  // namespace fastnn
