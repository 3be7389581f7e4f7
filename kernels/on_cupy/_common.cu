// What every source beside this one begins with. No #include: NVRTC from PyPI has no headers.
//
// REAL is the element type. It is a word of the text, not a C++ type: _launch.py writes `float`,
// `double`, ... for it and compiles one module per file and type. So relu_REAL is the kernel
// relu_float in one module and relu_double in the other. BLOCK, the most threads a block may
// have, comes from _launch.py too.

typedef unsigned char uint8;
typedef int int32;
typedef long long int64;
typedef unsigned int uint32;
typedef unsigned long long uint64;

// The number of this thread in the grid: the element it computes.
__device__ inline int64 position() {
    return (int64)blockIdx.x * blockDim.x + threadIdx.x;
}

#ifndef HOST_SHIM  // on the CPU, tests/cuda/host_shim.h says what these words mean
#define SHARED(T, name, n) __shared__ T name[n]

// Read what another block may be writing: from memory, each time anew.
__device__ inline uint64 peek(const uint64* p) {
    return *(const volatile uint64*)p;
}

// What a thread does between two looks, so that others get on.
__device__ inline void pause() {
    __nanosleep(20);
}

#define GRID_BARRIER(...) grid_barrier(__VA_ARGS__)
#endif
