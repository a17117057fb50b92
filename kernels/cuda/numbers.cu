// The numbers of a captured step that change from replay to replay (learning rate, step, random stream), written anew.
//
// They come by value, in the kernel's parameters: the host need not keep them, and nobody waits. A copy from the host's
// memory would do either, and one from pinned memory must not be overwritten before the GPU has read it.
//
// One block, one thread a word. 256 words are 2 KB; parameters may take 4 KB on every GPU.

#define WORDS 256  // as in cuda.py

struct Numbers {
  unsigned long long word[WORDS];
};

extern "C" __global__ void __launch_bounds__(WORDS)
numbers_write(const Numbers numbers, unsigned long long* words, int count) {
  if ((int)threadIdx.x < count) words[threadIdx.x] = numbers.word[threadIdx.x];
}
