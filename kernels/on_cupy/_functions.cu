// Device functions that both activations.cu and losses.cu call; REAL is float or double.

// Add up `mine` over the threads of a block, by a tree: a fixed order, so the same bits each time.
// blockDim is a power of two; every thread must call, and gets the sum.
__device__ inline REAL block_sum(REAL mine) {
    __shared__ REAL partial[BLOCK];
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
    __shared__ REAL partial[BLOCK];
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

// What softmax, log_softmax and the cross-entropy share: of a row z of m numbers, zmax and
// Σⱼ exp(zⱼ - zmax). A NaN in the row makes the sum NaN, whatever block_max did with it.
struct Exponentials {
    REAL top, sum;
};

__device__ inline Exponentials exponentials(const REAL* z, int64 m) {
    REAL top = m > 0 ? z[0] : 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        if (top < z[j]) top = z[j];
    top = block_max(top);
    REAL sum = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) sum += exp(z[j] - top);
    return {top, block_sum(sum)};
}

// σ(z) = 1 / (1 + e⁻ᶻ), written so that nothing overflows.
__device__ inline REAL logistic(REAL z) {
    REAL e = exp(-fabs(z));
    return (z >= 0 ? 1 : e) / (1 + e);
}
