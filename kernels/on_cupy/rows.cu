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

// out[j] = Σᵢ dz[i, j], dz (n, m); a block sums 32 columns.
extern "C" __global__ void sum_rows_REAL(const REAL* dz, REAL* out, int64 n, int64 m) {
    int64 first = (int64)blockIdx.x * 32;
    REAL sum = column_sum(dz, n, m, first);
    if (threadIdx.x < 32 && first + threadIdx.x < m) out[first + threadIdx.x] = sum;
}
