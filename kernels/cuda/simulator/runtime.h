// What runtime.cpp, checks.cpp and profile.cpp know of each other.
#pragma once
#include <string>
#include <vector>

#include "abi.h"

namespace cudasim {

enum State : uint8_t { NEW, READY, WAIT_BLOCK, WAIT_WARP, DONE };

struct Copy {
  void* shared;
  const void* global;
  int bytes, source_bytes;
};

// One CUDA thread: a stack of its own, switched by hand.
struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  Dim3 index;
  int linear = 0;
  State state = NEW;
  std::vector<Copy> pending;       // cp.async copies that have not landed
  std::vector<size_t> group_ends;  // of the committed groups, as positions in `pending`
};

struct Warp {
  uint32_t arrived = 0, mask = 0, live = 0;
  void* records[32];
  const char* operation = nullptr;
  int epoch = 0;  // counts the warp's __syncwarp
};

struct Segment {
  uintptr_t start;
  size_t bytes;
};

extern Fiber* current;
extern std::vector<Warp> warps;
extern std::vector<Segment> shared_segments;
extern int block_epoch;  // counts the block's barriers
extern int block_linear;
extern bool checking;

void clear_global_checks();
void clear_shared_checks();
void end_block_of_profile();

}  // namespace cudasim
