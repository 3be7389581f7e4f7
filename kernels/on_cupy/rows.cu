// Rows of a batch: gather them, add a bias to each, sum over them.

// out (k, m) = rows index (k,) of x (n, m); thread i computes element i of k m.
extern "C" __global__ void take_rows_REAL(
    const REAL* x, const int64* index, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = x[index[i / m] * m + i % m];
}

// out (n / m, m) = z + b for each row; `out` may be z.
extern "C" __global__ void add_bias_REAL(
    const REAL* z, const REAL* b, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = z[i] + b[i % m];
}

// out[j] = Σᵢ dz[i, j], dz (n, m). A block owns 32 neighbouring columns, so that the 32 threads of
// a warp read neighbours in memory; warp w takes the rows w, w + warps, w + 2 warps, ..., and a
// tree adds what the warps found: a fixed order, no atomics.
extern "C" __global__ void sum_rows_REAL(const REAL* dz, REAL* out, int64 n, int64 m) {
    __shared__ REAL partial[BLOCK];
    int64 column = (int64)blockIdx.x * 32 + threadIdx.x % 32;
    REAL sum = 0;
    if (column < m)
        for (int64 i = threadIdx.x / 32; i < n; i += blockDim.x / 32) sum += dz[i * m + column];
    partial[threadIdx.x] = sum;
    __syncthreads();
    for (uint32 half = blockDim.x / 2; half >= 32; half /= 2) {
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x < 32 && column < m) out[column] = partial[threadIdx.x];
}
