// What each line of a kernel costs the memory system, counted in check mode.
//
// A warp's lanes ask for memory together: the k-th time that a lane comes by an instruction belongs to the k-th request.
// - Shared memory has 32 banks of 4 bytes: a request takes as many passes as the busiest bank has different words. Of
//   16-byte accesses a pass serves 8 lanes, of 8-byte ones 16, of others 32.
// - Global memory moves in sectors of 32 bytes: a request takes as many as it touches.
// The ideal is one pass, or the sectors that the bytes asked for would fill.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "runtime.h"

namespace cudasim {

struct Access {
  int lane;
  uintptr_t address;
  int bytes;
};
struct Site {
  bool shared, write;
  int bytes;
  std::map<std::pair<int, int>, int> visits;                    // of each (warp, lane)
  std::map<std::pair<int, int>, std::vector<Access>> requests;  // by (warp, visit)
};
struct Cost {
  bool shared, write;
  int bytes;
  double requests = 0, cost = 0, ideal = 0;
};

static bool profiling;
static std::map<const void*, Site> sites;  // of the block that runs, by instruction
static std::map<const void*, Cost> costs;

void profile_access(uintptr_t address, int bytes, bool write, bool shared, const void* pc) {
  if (!profiling || pc == ATOMIC || pc == COPY) return;
  Site& site = sites[pc];
  site.shared = shared;
  site.write = write;
  site.bytes = bytes;
  int warp = current->linear / 32, lane = current->linear % 32;
  site.requests[{warp, site.visits[{warp, lane}]++}].push_back({lane, address, bytes});
}

static std::pair<double, double> shared_cost(const std::vector<Access>& request, int bytes) {
  int lanes = bytes >= 16 ? 8 : bytes == 8 ? 16 : 32;
  double cost = 0, ideal = 0;
  for (int first = 0; first < 32; first += lanes) {
    std::map<uintptr_t, std::set<uintptr_t>> words;  // of each bank
    for (auto& access : request)
      if (access.lane >= first && access.lane < first + lanes)
        for (uintptr_t word = access.address / 4; word <= (access.address + access.bytes - 1) / 4; word++)
          words[word % 32].insert(word);
    size_t busiest = 0;
    for (auto& bank : words) busiest = std::max(busiest, bank.second.size());
    cost += busiest;
    ideal += busiest > 0;
  }
  return {cost, ideal};
}

static std::pair<double, double> global_cost(const std::vector<Access>& request) {
  std::set<uintptr_t> sectors;
  std::set<uintptr_t> bytes;  // asked for, in units of 1 byte: several lanes may want the same
  for (auto& access : request) {
    for (uintptr_t byte = access.address; byte < access.address + access.bytes; byte++) bytes.insert(byte);
    for (uintptr_t s = access.address / 32; s <= (access.address + access.bytes - 1) / 32; s++) sectors.insert(s);
  }
  return {sectors.size(), (bytes.size() + 31) / 32};
}

void end_block_of_profile() {
  for (auto& [pc, site] : sites) {
    Cost& total = costs[pc];
    total.shared = site.shared;
    total.write = site.write;
    total.bytes = site.bytes;
    for (auto& entry : site.requests) {
      auto [cost, ideal] = site.shared ? shared_cost(entry.second, site.bytes) : global_cost(entry.second);
      total.requests++;
      total.cost += cost;
      total.ideal += ideal;
    }
  }
  sites.clear();
}

}  // namespace cudasim

using namespace cudasim;

extern "C" {

void cudasim_profile(int on) {
  profiling = on;
  sites.clear();
  if (on) costs.clear();
}

// The i-th instruction that touched memory: its address; shared, write and bytes; requests, cost and ideal. 0 at the end.
int cudasim_profile_get(int i, uint64_t* pc, int* kind, double* numbers) {
  if (i >= static_cast<int>(costs.size())) return 0;
  auto& [address, cost] = *std::next(costs.begin(), i);
  *pc = reinterpret_cast<uint64_t>(address);
  kind[0] = cost.shared, kind[1] = cost.write, kind[2] = cost.bytes;
  numbers[0] = cost.requests, numbers[1] = cost.cost, numbers[2] = cost.ideal;
  return 1;
}

}  // extern "C"
