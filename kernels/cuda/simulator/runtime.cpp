// Runs a CUDA grid on one CPU core: one fiber per CUDA thread, blocks one after the other.
//
// A fiber runs until it waits at a barrier or a warp intrinsic, or returns; then the next one that can run goes on. What
// a chip leaves undefined is made harmful here: shared memory starts as NaN (0xFF bytes), a cp.async copy lands at the
// last moment the program allows, a shuffle from a lane that is not there gives NaN, and the order of threads and
// blocks can be changed. Errors stop the launch, and `cudasim_error` says what, where and in which thread.
//
// Compiled once, without instrumentation. The kernels' side is device_api.h; checks.cpp has races and bounds.
#include "runtime.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

// Switch stacks: keep the registers that a call preserves on the old one, take them from the new one.
// `cudasim_leave` only takes: a fiber that faulted never goes on.
extern "C" void cudasim_switch(void** save, void* load);
extern "C" void cudasim_leave(void* load);
asm(R"(
.text
.globl cudasim_switch
.type cudasim_switch,@function
cudasim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rdi
.globl cudasim_leave
.type cudasim_leave,@function
cudasim_leave:
  movq %rdi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cudasim_switch,.-cudasim_switch
)");

namespace cudasim {

Dim3 threadIdx_, blockIdx_, blockDim_, gridDim_;
Fiber* current = nullptr;
std::vector<Warp> warps;
std::vector<Segment> shared_segments;
int block_epoch, block_linear;
bool checking;

static const size_t STACK = 256 * 1024;  // bytes of a thread's stack: local arrays are small, or they would spill
static const size_t GUARD = 4096;        // below it, so that an overflow is noticed
static std::vector<Fiber> fibers;
static void* main_stack_pointer;
static void (*kernel)(void*);
static void* kernel_arguments;
static int threads, live, arrived;
static std::vector<char> dynamic_memory;
static size_t dynamic_bytes;
static std::string error;
static uint64_t error_pc;
static bool aborting;
static const char* kernel_name = "?";

static void fail(const char* what) {
  if (aborting) return;
  char message[640];
  snprintf(message, sizeof message, "%s: %s (block %u,%u,%u thread %u,%u,%u)", kernel_name, what, blockIdx_.x,
           blockIdx_.y, blockIdx_.z, threadIdx_.x, threadIdx_.y, threadIdx_.z);
  error = message;
  aborting = true;
}

static void yield_to_main() { cudasim_switch(&current->stack_pointer, main_stack_pointer); }

// The launch is given up: the fiber stays where it is for ever.
void die(const char* what) {
  fail(what);
  current->state = WAIT_BLOCK;
  for (;;) yield_to_main();
}

static void fiber_entry() {
  kernel(kernel_arguments);
  current->state = DONE;
  for (;;) yield_to_main();
}

static void resume(Fiber* fiber) {
  if (fiber->state == NEW) {  // as if it had switched away just before its first instruction
    void** top = reinterpret_cast<void**>(fiber->stack + GUARD + STACK);
    void** pointer = top - 8;
    std::fill(pointer, pointer + 6, nullptr);
    pointer[6] = reinterpret_cast<void*>(fiber_entry);
    pointer[7] = nullptr;
    fiber->stack_pointer = pointer;
    fiber->state = READY;
  }
  current = fiber;
  threadIdx_ = fiber->index;
  cudasim_switch(&main_stack_pointer, fiber->stack_pointer);
}

void sync_block() {
  if (aborting) die("aborting");
  if (live != threads) die("__syncthreads reached after some threads of the block returned");
  current->state = WAIT_BLOCK;
  if (++arrived < live) return yield_to_main();
  arrived = 0;
  block_epoch++;
  for (int i = 0; i < threads; i++)
    if (fibers[i].state == WAIT_BLOCK) fibers[i].state = READY;
}

// Every lane of `mask` leaves a record; the last one runs `function` over all records.
void warp_collective(uint32_t mask, void* record, const char* operation, Collective function) {
  if (aborting) die("aborting");
  int index = current->linear / 32, lane = current->linear % 32;
  Warp& warp = warps[index];
  int lanes = std::min(32, threads - index * 32);
  uint32_t existing = lanes == 32 ? ~0u : (1u << lanes) - 1;
  if (!(mask >> lane & 1)) die("warp intrinsic: the calling lane is not in its own mask");
  mask &= existing;
  if (mask & ~warp.live) die("warp intrinsic: the mask names a lane that returned already");
  if (warp.arrived & mask) {
    if (warp.mask != mask) die("warp intrinsic: lanes disagree on the mask");
    if (strcmp(warp.operation, operation)) die("warp intrinsic: lanes met at different intrinsics");
  }
  warp.mask = mask;
  warp.operation = operation;
  warp.arrived |= 1u << lane;
  warp.records[lane] = record;
  if ((warp.arrived & mask) != mask) {
    current->state = WAIT_WARP;
    return yield_to_main();
  }
  function(warp.records, mask, lanes);
  warp.arrived &= ~mask;
  if (!strcmp(operation, SYNCWARP)) warp.epoch++;  // no other warp intrinsic orders memory
  for (int l = 0; l < lanes; l++)
    if (mask >> l & 1) fibers[index * 32 + l].state = READY;
}

int lane_id() { return current->linear % 32; }

void* dynamic_shared() {
  if (dynamic_memory.empty()) return nullptr;
  return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(dynamic_memory.data()) + 1023) & ~uintptr_t(1023));
}

void register_shared(void* start, size_t bytes) {
  for (auto& segment : shared_segments)
    if (segment.start == reinterpret_cast<uintptr_t>(start)) return;
  shared_segments.push_back({reinterpret_cast<uintptr_t>(start), bytes});
  memset(start, 0xFF, bytes);
}

void cp_async(void* shared, const void* global, int bytes, int source_bytes) {
  if ((reinterpret_cast<uintptr_t>(shared) | reinterpret_cast<uintptr_t>(global)) % bytes)
    die("cp.async: misaligned address");
  current->pending.push_back({shared, global, bytes, source_bytes});
}

void cp_async_commit() { current->group_ends.push_back(current->pending.size()); }

void cp_async_wait(int keep) {
  auto& ends = current->group_ends;
  int done = static_cast<int>(ends.size()) - keep;
  if (done <= 0) return;
  size_t count = ends[done - 1];
  auto& pending = current->pending;
  for (size_t i = 0; i < count; i++) {
    Copy& copy = pending[i];
    check_access(copy.global, copy.source_bytes, false, COPY);
    check_access(copy.shared, copy.bytes, true, COPY);
    if (copy.source_bytes) memcpy(copy.shared, copy.global, copy.source_bytes);
    memset(static_cast<char*>(copy.shared) + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
  }
  pending.erase(pending.begin(), pending.begin() + count);
  ends.erase(ends.begin(), ends.begin() + done);
  for (auto& end : ends) end -= count;
}

static bool make_fibers() {
  size_t before = fibers.size();
  if (before >= static_cast<size_t>(threads)) return true;
  fibers.resize(threads);
  for (size_t i = before; i < fibers.size(); i++) {
    void* memory = mmap(nullptr, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      fibers.resize(i);
      error = "no memory for the stacks of the simulated threads";
      return false;
    }
    mprotect(memory, GUARD, PROT_NONE);
    fibers[i].stack = static_cast<char*>(memory);
  }
  return true;
}

// The order in which threads get their turn: 0 as numbered, 1 backwards, otherwise shuffled by the number.
static std::vector<int> thread_order(unsigned order) {
  std::vector<int> turns(threads);
  for (int i = 0; i < threads; i++) turns[i] = i;
  if (order == 1) std::reverse(turns.begin(), turns.end());
  if (order > 1) {
    // the block's own order, by large primes
    std::mt19937 generator(order + blockIdx_.x * 7919u + blockIdx_.y * 104729u + blockIdx_.z * 1299709u);
    std::shuffle(turns.begin(), turns.end(), generator);
  }
  return turns;
}

static void run_block(const std::vector<int>& turns) {
  live = threads;
  arrived = 0;
  block_epoch++;
  warps.assign((threads + 31) / 32, Warp());
  for (int i = 0; i < threads; i++) {
    Fiber& fiber = fibers[i];
    fiber.state = NEW;
    fiber.linear = i;
    fiber.pending.clear();
    fiber.group_ends.clear();
    fiber.index = {i % blockDim_.x, i / blockDim_.x % blockDim_.y, i / (blockDim_.x * blockDim_.y)};
    warps[i / 32].live |= 1u << (i % 32);
  }
  if (dynamic_bytes) memset(dynamic_shared(), 0xFF, dynamic_bytes);
  for (auto& segment : shared_segments) memset(reinterpret_cast<void*>(segment.start), 0xFF, segment.bytes);
  if (checking) clear_shared_checks();
  for (int done = 0; done < threads;) {
    bool progress = false;
    for (int turn : turns) {
      Fiber& fiber = fibers[turn];
      if (fiber.state != NEW && fiber.state != READY) continue;
      progress = true;
      resume(&fiber);
      if (aborting) return;
      if (fiber.state != DONE) continue;
      done++;
      live--;
      warps[turn / 32].live &= ~(1u << (turn % 32));
      if (arrived) return fail("a thread returned while others wait at __syncthreads");
    }
    if (!progress) return fail("deadlock: threads wait at a barrier or warp intrinsic that others never reach");
  }
}

// A fault in a kernel ends the launch, not the process.
static struct sigaction before[NSIG];
static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

static void on_fault(int signal, siginfo_t* info, void* context) {
  if (!current) {  // not ours
    sigaction(signal, &before[signal], nullptr);
    return;
  }
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  char message[120];
  if (signal == SIGFPE)
    snprintf(message, sizeof message, "integer division by zero");
  else if (signal == SIGILL || signal == SIGTRAP)
    snprintf(message, sizeof message, "undefined behaviour (an array index, a misaligned vector, an integer overflow)");
  else
    snprintf(message, sizeof message, "bad address %p", info->si_addr);
  error_pc = registers[REG_RIP];
  fail(message);
  registers[REG_RDI] = reinterpret_cast<greg_t>(main_stack_pointer);
  registers[REG_RIP] = reinterpret_cast<greg_t>(cudasim_leave);
}

static void catch_faults() {
  static thread_local bool stack_made = false;  // a thread of Python has one of its own
  if (!stack_made) {  // a fiber whose stack overflowed has no room for the handler
    stack_t stack{};
    stack.ss_size = 1 << 16;
    stack.ss_sp = malloc(stack.ss_size);
    sigaltstack(&stack, nullptr);
    stack_made = true;
  }
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int signal : SIGNALS) sigaction(signal, &action, &before[signal]);
}

static void release_faults() {
  for (int signal : SIGNALS) sigaction(signal, &before[signal], nullptr);
}

void note_pc(const void* pc) { error_pc = reinterpret_cast<uint64_t>(pc); }

}  // namespace cudasim

using namespace cudasim;

extern "C" {

const char* cudasim_error() { return error.c_str(); }

// The instruction where the error was found, 0 if none is to blame.
uint64_t cudasim_error_pc() { return error_pc; }

// Of the last launch, for one block: static and dynamic.
size_t cudasim_shared_bytes() {
  size_t bytes = 0;
  for (auto& segment : shared_segments) bytes += segment.bytes;
  return bytes;
}

// Runs the grid; 0 if all went well, otherwise cudasim_error() says what went wrong.
int cudasim_launch(const char* name, void (*function)(void*), void* arguments, const unsigned* grid,
                   const unsigned* block, size_t shared_bytes, unsigned order, int check) {
  kernel_name = name;
  kernel = function;
  kernel_arguments = arguments;
  error.clear();
  error_pc = 0;
  aborting = false;
  checking = check;
  gridDim_ = {grid[0], grid[1], grid[2]};
  blockDim_ = {block[0], block[1], block[2]};
  blockIdx_ = threadIdx_ = {0, 0, 0};
  threads = static_cast<int>(block[0] * block[1] * block[2]);
  dynamic_bytes = shared_bytes;
  dynamic_memory.assign(shared_bytes ? shared_bytes + 1024 : 0, 0);
  shared_segments.clear();
  if (shared_bytes) shared_segments.push_back({reinterpret_cast<uintptr_t>(dynamic_shared()), shared_bytes});
  if (!make_fibers()) return 1;
  if (check) clear_global_checks();
  catch_faults();
  uint64_t blocks = static_cast<uint64_t>(grid[0]) * grid[1] * grid[2];
  std::vector<int> turns;
  for (uint64_t i = 0; i < blocks && !aborting; i++) {
    uint64_t number = order == 1 ? blocks - 1 - i : i;
    block_linear = static_cast<int>(number);
    blockIdx_ = {static_cast<unsigned>(number % grid[0]), static_cast<unsigned>(number / grid[0] % grid[1]),
                 static_cast<unsigned>(number / grid[0] / grid[1])};
    if (turns.empty() || order > 1) turns = thread_order(order);
    run_block(turns);
    if (check) end_block_of_profile();
    current = nullptr;
  }
  release_faults();
  return aborting;
}

}  // extern "C"
