// The formulas of the activations: one element, or one row by a whole block.
// kernels/reference/activations.py says what each one means; REAL is float or double.

// σ(z) = 1 / (1 + e⁻ᶻ), written so that nothing overflows.
__device__ inline REAL sigmoid(REAL z) {
    REAL e = exp(-fabs(z));
    return (z >= 0 ? 1 : e) / (1 + e);
}

__device__ inline REAL sigmoid_backward(REAL da, REAL a) {
    return da * (a * (1 - a));
}

__device__ inline REAL tanh_backward(REAL da, REAL a) {
    return da * (1 - a * a);
}

// Not fmax(z, 0), which drops a NaN; `NaN <= 0` is false, so here it stays.
__device__ inline REAL relu(REAL z) {
    return z <= 0 ? 0 : z;
}

__device__ inline REAL relu_backward(REAL da, REAL a) {
    return da * (a > 0 ? 1 : 0);
}

__device__ inline REAL leaky_relu(REAL z, REAL slope) {
    return z > 0 ? z : slope * z;
}

__device__ inline REAL leaky_relu_backward(REAL da, REAL a, REAL slope) {
    return da * (a > 0 ? 1 : slope);
}

__device__ inline REAL elu(REAL z, REAL alpha) {
    return z > 0 ? z : alpha * expm1(z);
}

__device__ inline REAL elu_backward(REAL da, REAL a, REAL alpha) {
    return da * (a > 0 ? 1 : a + alpha);
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

// Rows of m numbers, by a whole block: the threads take every blockDim-th column. A thread writes only where it
// alone reads afterwards, so the result may lie over an argument.

__device__ inline void softmax(const REAL* z, REAL* a, int64 m) {
    Exponentials e = exponentials(z, m);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) a[j] = exp(z[j] - e.top) / e.sum;
}

__device__ inline void softmax_backward(const REAL* da, const REAL* a, REAL* dz, int64 m) {
    REAL inner = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) inner += da[j] * a[j];
    inner = block_sum(inner);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) dz[j] = a[j] * (da[j] - inner);
}

__device__ inline void log_softmax(const REAL* z, REAL* a, int64 m) {
    Exponentials e = exponentials(z, m);
    REAL log_sum = log(e.sum);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) a[j] = z[j] - e.top - log_sum;
}

__device__ inline void log_softmax_backward(const REAL* da, const REAL* a, REAL* dz, int64 m) {
    REAL total = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) total += da[j];
    total = block_sum(total);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) dz[j] = da[j] - exp(a[j]) * total;
}
