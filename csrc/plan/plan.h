// Plan: Calls prepared once, run often. No Python in here; bindings/plan.cpp binds arguments and hands out results.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "ops/op.h"
#include "runtime/memory.h"

namespace fastnn {

// Where an array of the plan lies: a slot whose base may change from call to call, and an offset. Slot 0 is the arena;
// a negative slot has no memory.
struct Spot {
  int slot;
  int64_t offset;
};

struct Node {
  Call call;
  std::unique_ptr<View[]> views;
};

class Plan {
 public:
  Plan() : base_(1, nullptr), moving_slot_(1, false) {}
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  int add_slot(char* base);
  void move_slot(int slot, char* base) { base_[size_t(slot)] = base; }  // then bind()
  char* base(int slot) const { return base_[size_t(slot)]; }
  void set_moving(int slot) { moving_slot_[size_t(slot)] = true; }

  // Memory for produced arrays; false where there is none.
  bool make_arena(size_t bytes);

  // A node whose call the caller fills and prepares; then its views are tied to their spots.
  Node& add_node(int views);
  void drop_node() { nodes_.pop_back(); }
  void tie(Node& node, const std::vector<Spot>& spots);

  // Scratch for the hungriest node, and fixed addresses put in; false where there is no memory.
  bool finish();

  // Put the bases of moving slots into the views that lie there.
  void bind();

  // Node by number: -1, or the position of a bad index.
  int64_t run(size_t node) noexcept;

  size_t size() const { return nodes_.size(); }
  double cost() const { return cost_; }
  std::mutex& mutex() { return mutex_; }

 private:
  struct Tie {
    View* view;
    Spot spot;
  };
  std::deque<Node> nodes_;  // a Call holds addresses within itself: nodes may not move
  std::vector<Tie> ties_;   // after finish(): of moving slots only
  std::vector<char*> base_;
  std::vector<bool> moving_slot_;
  Block *arena_ = nullptr, *scratch_ = nullptr;
  size_t scratch_bytes_ = 0;
  double cost_ = 0;
  std::mutex mutex_;  // a plan has one frame: one call at a time
};

}  // namespace fastnn
