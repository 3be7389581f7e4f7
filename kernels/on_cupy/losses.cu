// Losses of each row of a batch, and their gradients weighted by dl.
//
// A loss: a block adds up one row of m numbers and its first thread writes out[row]. A gradient:
// thread i computes element i of n, except for the cross-entropy, whose rows need a sum.

extern "C" __global__ void squared_error_REAL(
    const REAL* y, const REAL* t, REAL* out, int64 m) {
    y += blockIdx.x * m, t += blockIdx.x * m;
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) loss += (y[j] - t[j]) * (y[j] - t[j]);
    loss = block_sum(loss);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void squared_error_backward_REAL(
    const REAL* dl, const REAL* y, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = dl[i / m] * (2 * (y[i] - t[i]));
}

// Σⱼ max(z, 0) - z t + log(1 + e^-|z|)
extern "C" __global__ void binary_cross_entropy_REAL(
    const REAL* z, const REAL* t, REAL* out, int64 m) {
    z += blockIdx.x * m, t += blockIdx.x * m;
    REAL loss = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        loss += (z[j] <= 0 ? 0 : z[j]) - z[j] * t[j] + log1p(exp(-fabs(z[j])));
    loss = block_sum(loss);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void binary_cross_entropy_backward_REAL(
    const REAL* dl, const REAL* z, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = dl[i / m] * (logistic(z[i]) - t[i]);
}

// log Σⱼ exp z[j] - z[t]; the logarithm is of a sum of at least 1, so nothing is lost.
extern "C" __global__ void cross_entropy_REAL(
    const REAL* z, const int64* t, REAL* out, int64 m) {
    z += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    if (threadIdx.x == 0) out[blockIdx.x] = log(e.sum) - (z[t[blockIdx.x]] - e.top);
}

extern "C" __global__ void cross_entropy_backward_REAL(
    const REAL* dl, const REAL* z, const int64* t, REAL* out, int64 m) {
    z += blockIdx.x * m, out += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        out[j] = dl[blockIdx.x] * (exp(z[j] - e.top) / e.sum - (j == t[blockIdx.x] ? 1 : 0));
}
