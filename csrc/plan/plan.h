// Plan: Calls prepared once, run often, by several threads at a time. No Python in here: bindings/ binds arguments and
// hands out results.
#pragma once
#include <atomic>
#include <memory>

#include "plan/frame.h"

namespace fastnn {

class Plan {
 public:
  static constexpr int most_frames = 4;

  // While it is made:

  int add_slot(char* base);
  void set_moving(int slot) { layout_.moving[size_t(slot)] = true; }
  void set_arena(size_t bytes) { layout_.arena = bytes; }

  // A node whose call the caller fills and prepares; then its views are tied to their spots. The reference holds until
  // the next node.
  Node& add_node(int views) { return layout_.nodes.emplace_back(views); }
  void drop_node() { layout_.nodes.pop_back(); }
  void tie(const std::vector<Spot>& spots);

  // Calls that write memory which all frames share take turns: they get one frame.
  void take_turns() { allowed_ = 1; }

  // When it is called:

  // The number of a frame that no other call uses, made if need be (std::bad_alloc where there is no memory for it);
  // -1 where as many as there may be are in use.
  int take();
  Frame& frame(int number) { return *frames_[number]; }
  void give(int number) noexcept;
  void wait() const noexcept;  // until one is given back

  size_t size() const { return layout_.nodes.size(); }
  double cost() const { return cost_; }

 private:
  unsigned all() const { return (1u << allowed_) - 1; }

  Layout layout_;
  double cost_ = 0;
  int allowed_ = most_frames;
  std::unique_ptr<Frame> frames_[most_frames];
  std::atomic<unsigned> busy_ = 0;  // bit i: frame i is in use, and its user alone may touch frames_[i]
};

// A frame in use, until the end of a scope.
class Lease {
 public:
  explicit Lease(Plan& plan) : plan_(plan), number_(plan.take()) {}
  ~Lease() {
    if (*this) plan_.give(number_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  explicit operator bool() const { return number_ >= 0; }
  int number() const { return number_; }
  Frame& frame() const { return plan_.frame(number_); }
  void wait() {
    while (!*this) {
      plan_.wait();
      number_ = plan_.take();
    }
  }

 private:
  Plan& plan_;
  int number_;
};

}  // namespace fastnn
