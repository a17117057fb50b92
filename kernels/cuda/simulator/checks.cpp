// Check mode: every load and store of a kernel is looked at, exact to the byte.
//
// The kernel is compiled with GCC's -fsanitize=thread, which calls a __tsan_* function before each access to memory; the
// ones here take the place of libtsan. They find
// - bounds: an address in device memory must lie whole within one array given to the launch, writable if written;
// - alignment: an access of 2, 4, 8 or 16 bytes is at a multiple of that;
// - races: two threads touch the same 4 bytes, or the same byte of an array first touched by less, one of them writes,
//   and nothing orders them: no __syncthreads (block epoch) and, within a warp, no __syncwarp (warp epoch) between.
//   Nothing orders two blocks of one launch.
#include <algorithm>
#include <cstdio>
#include <map>

#include "runtime.h"

namespace cudasim {

void note_pc(const void* pc);
void profile_access(uintptr_t address, int bytes, bool write, bool shared, const void* pc);

static const int NOBODY = -1, SEVERAL = -2, ATOMICS = -3;

// Who touched a word last: a thread (its number in the block), the block, and the epochs of block and warp then.
struct Shadow {
  int writer = NOBODY, write_block = NOBODY, write_epoch = 0, write_warp_epoch = 0;
  int reader = NOBODY, read_warp = NOBODY, read_block = NOBODY, read_epoch = 0, read_warp_epoch = 0;
};

struct Range {  // an array given to the launch
  uintptr_t low, high;
  bool writable;
};

struct Region {  // memory with a shadow: a shared segment, or arrays that overlap
  uintptr_t low, high;
  std::vector<Shadow> words;
  int grain = 0;  // bytes of a word
};

static uintptr_t device_low, device_high;  // all of device memory
static std::vector<Range> arrays;
static std::vector<Region> global_regions, shared_regions;

static Region* region_of(std::vector<Region>& regions, uintptr_t address) {
  for (auto& region : regions)
    if (address >= region.low && address < region.high) return &region;
  return nullptr;
}

static Shadow* shadow_of(Region& region, uintptr_t address, int bytes) {
  uintptr_t start = region.low & ~uintptr_t(3);
  if (region.words.empty()) {
    region.grain = bytes < 4 ? 1 : 4;
    region.words.resize((region.high - start + 3) / region.grain);
  }
  return &region.words[(address - start) / region.grain];
}

void clear_global_checks() {
  std::vector<Range> sorted = arrays;
  std::sort(sorted.begin(), sorted.end(), [](const Range& a, const Range& b) { return a.low < b.low; });
  global_regions.clear();
  for (auto& range : sorted) {
    if (!global_regions.empty() && range.low < global_regions.back().high)
      global_regions.back().high = std::max(global_regions.back().high, range.high);
    else
      global_regions.push_back({range.low, range.high, {}, 0});
  }
}

void clear_shared_checks() { shared_regions.clear(); }

static Region* shared_region(uintptr_t address) {
  if (Region* region = region_of(shared_regions, address)) return region;
  for (auto& segment : shared_segments)
    if (address >= segment.start && address < segment.start + segment.bytes) {
      shared_regions.push_back({segment.start, segment.start + segment.bytes, {}, 0});
      return &shared_regions.back();
    }
  return nullptr;
}

static void die_at(const void* pc, const char* what) {
  note_pc(pc);
  die(what);
}

static void check_bounds(uintptr_t address, int bytes, bool write, const void* pc) {
  const Range* nearest = nullptr;
  bool read_only = false;
  for (auto& range : arrays) {
    if (address >= range.low && address + bytes <= range.high) {
      if (range.writable || !write) return;
      read_only = true;
      nearest = &range;
    }
    if (!read_only && address >= range.low && (!nearest || range.low > nearest->low)) nearest = &range;
  }
  char message[200];
  if (!nearest)
    snprintf(message, sizeof message, "%s of %d bytes at %p, before every array argument", write ? "write" : "read", bytes,
             reinterpret_cast<void*>(address));
  else
    snprintf(message, sizeof message, "%s of %d bytes at byte offset %ld of array argument #%d, which has %ld bytes%s",
             write ? "write" : "read", bytes, static_cast<long>(address - nearest->low),
             static_cast<int>(nearest - arrays.data()), static_cast<long>(nearest->high - nearest->low),
             read_only ? " and is const" : "");
  die_at(pc, message);
}

static void check_race(Shadow& word, bool write, bool shared, const void* pc) {
  int thread = current->linear, warp = thread / 32, epoch = block_epoch, warp_epoch = warps[warp].epoch;
  int block = block_linear;
  bool atomic = pc == ATOMIC;
  auto ordered_after_write = [&] {
    if (word.write_block != block) return false;
    if (word.writer == thread || word.write_epoch != epoch) return true;
    return word.writer >= 0 && word.writer / 32 == warp && word.write_warp_epoch != warp_epoch;
  };
  auto ordered_after_reads = [&] {
    if (word.read_block != block) return false;
    if (word.reader == thread || word.read_epoch != epoch) return true;
    return word.read_warp == warp && word.read_warp_epoch != warp_epoch;
  };
  const char* kind = nullptr;
  int other = word.writer, other_block = word.write_block;
  if (word.writer != NOBODY && !(word.writer == ATOMICS && atomic) && !ordered_after_write())
    kind = write ? "write after write" : "read after write";
  else if (write && word.reader != NOBODY && !ordered_after_reads()) {
    kind = "write after read";
    other = word.reader;
    other_block = word.read_block;
  }
  if (kind) {
    char who[80] = "several threads", message[240];
    if (other >= 0) snprintf(who, sizeof who, "thread %d of block %d", other, other_block);
    if (other == ATOMICS) snprintf(who, sizeof who, "an atomic of block %d", other_block);
    snprintf(message, sizeof message, "%s-memory race: %s with %s, nothing orders them", shared ? "shared" : "global", kind,
             who);
    die_at(pc, message);
  }
  if (write) {
    word.writer = atomic ? ATOMICS : thread;
    word.write_epoch = epoch;
    word.write_warp_epoch = warp_epoch;
    word.write_block = block;
    word.reader = word.read_block = NOBODY;
  } else {
    bool first = word.reader == NOBODY || (word.read_block == block && word.reader != thread && ordered_after_reads());
    word.read_warp = first || word.read_warp == warp ? warp : SEVERAL;
    word.reader = first || word.reader == thread ? thread : SEVERAL;
    word.read_block = word.read_block == NOBODY || word.read_block == block ? block : SEVERAL;
    word.read_epoch = epoch;
    word.read_warp_epoch = warp_epoch;
  }
}

void check_access(const void* pointer, int bytes, bool write, const void* pc) {
  if (!checking || !current || bytes <= 0) return;
  uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
  bool global = address >= device_low && address < device_high;
  if (global) check_bounds(address, bytes, write, pc);
  Region* region = global ? region_of(global_regions, address) : shared_region(address);
  if (!region) return;
  if (bytes <= 16 && (bytes & (bytes - 1)) == 0 && address % bytes) {
    char message[80];
    snprintf(message, sizeof message, "misaligned %d-byte %s", bytes, write ? "write" : "read");
    die_at(pc, message);
  }
  Shadow* first = shadow_of(*region, address, bytes);
  Shadow* last = shadow_of(*region, std::min(address + bytes, region->high) - 1, bytes);
  for (Shadow* word = first; word <= last; word++) check_race(*word, write, !global, pc);
  profile_access(address, bytes, write, !global, pc);
}

}  // namespace cudasim

using namespace cudasim;

extern "C" {

void cudasim_device_memory(uintptr_t low, uintptr_t high) {
  device_low = low;
  device_high = high;
}
void cudasim_clear_arrays() { arrays.clear(); }
void cudasim_array(uintptr_t low, uintptr_t bytes, int writable) { arrays.push_back({low, low + bytes, writable != 0}); }

#define PC __builtin_return_address(0)
#define HOOKS(bytes)                                                            \
  void __tsan_read##bytes(void* p) { check_access(p, bytes, false, PC); }       \
  void __tsan_write##bytes(void* p) { check_access(p, bytes, true, PC); }       \
  void __tsan_unaligned_read##bytes(void* p) { check_access(p, bytes, false, PC); } \
  void __tsan_unaligned_write##bytes(void* p) { check_access(p, bytes, true, PC); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_read_range(void* p, size_t n) { check_access(p, static_cast<int>(n), false, PC); }
void __tsan_write_range(void* p, size_t n) { check_access(p, static_cast<int>(n), true, PC); }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_init() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

}  // extern "C"
