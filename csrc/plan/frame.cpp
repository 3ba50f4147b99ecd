#include "plan/frame.h"

#include <new>

#include "runtime/parallel.h"

namespace fastnn {

Node::Node(const Node& other) : call(other.call), views(other.views) {
  call.views = views.data();
  const auto* theirs = reinterpret_cast<const char*>(other.call.number);
  for (View& v : views)  // arguments given as Python numbers lie in the Call
    if (v.data >= theirs && v.data < theirs + sizeof call.number)
      v.data = reinterpret_cast<char*>(call.number) + (v.data - theirs);
}

Frame::Frame(const Layout& layout) : nodes_(layout.nodes), base_(layout.base) {
  if (layout.arena && !(arena_ = take_block(layout.arena))) throw std::bad_alloc();
  if (layout.scratch && !(scratch_ = take_block(layout.scratch))) {
    if (arena_) give_block(arena_);
    throw std::bad_alloc();
  }
  base_[0] = arena_ ? arena_->data : nullptr;
  for (const Layout::Tie& t : layout.ties) {
    View& view = nodes_[t.node].views[t.view];
    if (layout.moving[size_t(t.spot.slot)])
      ties_.push_back({&view, t.spot});
    else
      view.data = base(t.spot.slot) + t.spot.offset;
  }
}

Frame::~Frame() {
  if (arena_) give_block(arena_);
  if (scratch_) give_block(scratch_);
}

void Frame::bind() noexcept {
  for (const Tie& t : ties_) t.view->data = base(t.spot.slot) + t.spot.offset;
}

int64_t Frame::run(size_t node) noexcept {
  return execute(nodes_[node].call, scratch_ ? scratch_->data : nullptr, thread_pool());
}

}  // namespace fastnn
