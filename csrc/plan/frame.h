// Frame: what one call of a plan may not share with another: nodes, which hold its addresses, an arena and scratch.
#pragma once
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

// A Call and its views. A copy has addresses of its own wherever the Call points into itself.
struct Node {
  explicit Node(int n_views) : views(size_t(n_views)) { call.views = views.data(); }
  Node(const Node& other);
  Node& operator=(const Node&) = delete;

  Call call{};
  std::vector<View> views;
};

// What frames are made of.
struct Layout {
  struct Tie {
    size_t node, view;
    Spot spot;
  };
  std::vector<Node> nodes;
  std::vector<Tie> ties;
  std::vector<char*> base{nullptr};  // by slot
  std::vector<bool> moving{false};   // whether the base changes from call to call
  size_t arena = 0, scratch = 0;     // bytes
};

class Frame {
 public:
  explicit Frame(const Layout& layout);  // std::bad_alloc where there is no memory
  ~Frame();
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  void move_slot(int slot, char* base) { base_[size_t(slot)] = base; }  // then bind()
  char* base(int slot) const { return base_[size_t(slot)]; }
  Attr& attribute(size_t node, int number) { return nodes_[node].call.attr[number]; }

  // Put the bases of moving slots into the views that lie there.
  void bind() noexcept;

  // Node by number: -1, or the position of a bad index.
  int64_t run(size_t node) noexcept;

 private:
  struct Tie {
    View* view;
    Spot spot;
  };
  std::vector<Node> nodes_;
  std::vector<Tie> ties_;  // of moving slots
  std::vector<char*> base_;
  Block *arena_ = nullptr, *scratch_ = nullptr;
};

}  // namespace fastnn
