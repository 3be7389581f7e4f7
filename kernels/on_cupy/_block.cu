// What the threads of a block compute together; REAL is any element type.

// Room for a number of each thread. Whoever has read it passes a barrier before the next writes.
__device__ inline REAL* per_thread() {
    SHARED(REAL, room, BLOCK);
    return room;
}

// Add up `mine` over the threads of a block, by a tree: a fixed order, so the same bits each time.
// blockDim is a power of two; every thread must call, and gets the sum.
__device__ inline REAL block_sum(REAL mine) {
    REAL* partial = per_thread();
    partial[threadIdx.x] = mine;
    __syncthreads();
    for (uint32 half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    REAL all = partial[0];
    __syncthreads();  // the next call may overwrite partial only when all have read it
    return all;
}

// The greatest `mine` of a block, likewise. A NaN may or may not come through.
__device__ inline REAL block_max(REAL mine) {
    REAL* partial = per_thread();
    partial[threadIdx.x] = mine;
    __syncthreads();
    for (uint32 half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && partial[threadIdx.x] < partial[threadIdx.x + half])
            partial[threadIdx.x] = partial[threadIdx.x + half];
        __syncthreads();
    }
    REAL all = partial[0];
    __syncthreads();
    return all;
}

// Σᵢ dz[i, column] of dz (n, m), for 32 neighbouring columns from `first` on, so that the 32
// threads of a warp read neighbours in memory. Warp w takes the rows w, w + warps, w + 2 warps,
// ..., and a tree adds what the warps found: a fixed order, no atomics. Thread t < 32 gets the sum
// of column first + t.
__device__ inline REAL column_sum(const REAL* dz, int64 n, int64 m, int64 first) {
    REAL* partial = per_thread();
    int64 column = first + threadIdx.x % 32;
    REAL sum = 0;
    if (column < m)
        for (int64 i = threadIdx.x / 32; i < n; i += blockDim.x / 32) sum += dz[i * m + column];
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (uint32 half = blockDim.x / 2; half >= 32; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    return partial[threadIdx.x];  // which no other thread writes, in the next call either
}
