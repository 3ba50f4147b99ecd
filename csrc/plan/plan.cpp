#include "plan/plan.h"

#include "runtime/parallel.h"

namespace fastnn {

Plan::~Plan() {
  if (arena_) give_block(arena_);
  if (scratch_) give_block(scratch_);
}

int Plan::add_slot(char* base) {
  base_.push_back(base);
  moving_slot_.push_back(false);
  return int(base_.size()) - 1;
}

bool Plan::make_arena(size_t bytes) {
  if (!bytes) return true;
  arena_ = take_block(bytes);
  base_[0] = arena_ ? arena_->data : nullptr;
  return arena_ != nullptr;
}

Node& Plan::add_node(int views) {
  Node& node = nodes_.emplace_back();
  node.views.reset(new View[size_t(views)]);
  node.call.views = node.views.get();
  return node;
}

void Plan::tie(Node& node, const std::vector<Spot>& spots) {
  const Call& c = node.call;
  for (size_t i = 0; i < spots.size(); i++) {
    if (spots[i].slot < 0) continue;
    size_t at = i;  // a planned copy has moved the original behind the outputs
    for (int k = 0; k < c.n_copies; k++)
      if (c.copy[k].to == i) at = c.copy[k].from;
    ties_.push_back({&c.views[at], spots[i]});
  }
  scratch_bytes_ = std::max(scratch_bytes_, c.scratch + c.copied);
  cost_ += c.cost;
}

bool Plan::finish() {
  if (scratch_bytes_ && !(scratch_ = take_block(scratch_bytes_))) return false;
  std::vector<Tie> moving;
  for (const Tie& t : ties_) {
    if (moving_slot_[size_t(t.spot.slot)])
      moving.push_back(t);
    else
      t.view->data = base(t.spot.slot) + t.spot.offset;
  }
  ties_ = std::move(moving);
  return true;
}

void Plan::bind() {
  for (const Tie& t : ties_) t.view->data = base(t.spot.slot) + t.spot.offset;
}

int64_t Plan::run(size_t node) noexcept {
  return execute(nodes_[node].call, scratch_ ? scratch_->data : nullptr, thread_pool());
}

}  // namespace fastnn
