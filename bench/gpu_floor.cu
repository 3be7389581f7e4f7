// The smallest pieces of a step: nothing at all, and nothing but barriers.
//
// bench/gpu_device.py puts the shared declarations and the barrier of the engine, as they are, in
// front of this text.

extern "C" __global__ void nothing(int32 unused) {}

// All blocks must run at the same time; *arrived is 0.
extern "C" __global__ void barriers(uint64* arrived, int64 times) {
    for (int64 n = 1; n <= times; n++) GRID_BARRIER(arrived, n * gridDim.x);
}
