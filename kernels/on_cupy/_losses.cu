// The formulas of the losses: of one row by a whole block, and the gradient of one element.
// kernels/reference/losses.py says what each one means; REAL is float or double.

// Σⱼ (yⱼ - tⱼ)²
__device__ inline REAL squared_error(const REAL* y, const REAL* t, int64 m) {
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) loss += (y[j] - t[j]) * (y[j] - t[j]);
    return block_sum(loss);
}

__device__ inline REAL squared_error_backward(REAL dl, REAL y, REAL t) {
    return dl * (2 * (y - t));
}

// Σⱼ max(z, 0) - z t + log(1 + e^-|z|)
__device__ inline REAL binary_cross_entropy(const REAL* z, const REAL* t, int64 m) {
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        loss += (z[j] <= 0 ? 0 : z[j]) - z[j] * t[j] + log1p(exp(-fabs(z[j])));
    return block_sum(loss);
}

__device__ inline REAL binary_cross_entropy_backward(REAL dl, REAL z, REAL t) {
    return dl * (sigmoid(z) - t);
}

// log Σⱼ exp zⱼ - z of the class; the logarithm is of a sum of at least 1, so nothing is lost.
__device__ inline REAL cross_entropy(Exponentials e, REAL z) {
    return log(e.sum) - (z - e.top);
}

__device__ inline REAL cross_entropy_backward(REAL dl, Exponentials e, REAL z, bool is_class) {
    return dl * (exp(z - e.top) / e.sum - (is_class ? 1 : 0));
}

// Σⱼ e^z - t (1 + z - log t), where 0 log 0 is 0
__device__ inline REAL poisson(const REAL* z, const REAL* t, int64 m) {
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        loss += exp(z[j]) - t[j] * (1 + z[j] - (t[j] == 0 ? 0 : log(t[j])));
    return block_sum(loss);
}

__device__ inline REAL poisson_backward(REAL dl, REAL z, REAL t) {
    return dl * (exp(z) - t);
}

// 1 where z >= 0, else 0; a NaN stays.
__device__ inline REAL unit_step(REAL z) {
    return z >= 0 ? 1 : z < 0 ? 0 : z;
}

// Σⱼ (1[z >= 0] - t) z
__device__ inline REAL perceptron(const REAL* z, const REAL* t, int64 m) {
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) loss += (unit_step(z[j]) - t[j]) * z[j];
    return block_sum(loss);
}

__device__ inline REAL perceptron_backward(REAL dl, REAL z, REAL t) {
    return dl * (unit_step(z) - t);
}
