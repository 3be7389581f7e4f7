// Activations and their derivatives; kernels/reference/activations.py says what each one means.
//
// Element-wise kernels: thread i computes element i of n. `out` may be any of the inputs.

extern "C" __global__ void sigmoid_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = logistic(z[i]);
}

extern "C" __global__ void sigmoid_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (a[i] * (1 - a[i]));
}

extern "C" __global__ void sigmoid_backward_z_REAL(
    const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i >= n) return;
    REAL a = logistic(z[i]);
    out[i] = da[i] * (a * (1 - a));
}

extern "C" __global__ void tanh_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = tanh(z[i]);
}

extern "C" __global__ void tanh_backward_REAL(const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (1 - a[i] * a[i]);
}

extern "C" __global__ void tanh_backward_z_REAL(
    const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i >= n) return;
    REAL a = tanh(z[i]);
    out[i] = da[i] * (1 - a * a);
}

// Not fmax(z, 0), which drops a NaN; `NaN <= 0` is false, so here it stays.
extern "C" __global__ void relu_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = z[i] <= 0 ? 0 : z[i];
}

extern "C" __global__ void relu_backward_REAL(const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (a[i] > 0 ? 1 : 0);
}

extern "C" __global__ void leaky_relu_REAL(const REAL* z, REAL slope, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = z[i] > 0 ? z[i] : slope * z[i];
}

extern "C" __global__ void leaky_relu_backward_REAL(
    const REAL* da, const REAL* a, REAL slope, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (a[i] > 0 ? 1 : slope);
}

extern "C" __global__ void elu_REAL(const REAL* z, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = z[i] > 0 ? z[i] : alpha * expm1(z[i]);
}

extern "C" __global__ void elu_backward_REAL(
    const REAL* da, const REAL* a, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (a[i] > 0 ? 1 : a[i] + alpha);
}

extern "C" __global__ void elu_backward_z_REAL(
    const REAL* da, const REAL* z, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (z[i] > 0 ? 1 : alpha * exp(z[i]));
}

// Row-wise kernels: a block computes one row of m numbers, its threads taking every
// blockDim-th column. A thread writes only where it alone reads afterwards, so `out` may be an input.

extern "C" __global__ void softmax_REAL(const REAL* z, REAL* out, int64 m) {
    z += blockIdx.x * m, out += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) out[j] = exp(z[j] - e.top) / e.sum;
}

extern "C" __global__ void softmax_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 m) {
    da += blockIdx.x * m, a += blockIdx.x * m, out += blockIdx.x * m;
    REAL inner = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) inner += da[j] * a[j];
    inner = block_sum(inner);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) out[j] = a[j] * (da[j] - inner);
}

extern "C" __global__ void log_softmax_REAL(const REAL* z, REAL* out, int64 m) {
    z += blockIdx.x * m, out += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    REAL log_sum = log(e.sum);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) out[j] = z[j] - e.top - log_sum;
}

extern "C" __global__ void log_softmax_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 m) {
    da += blockIdx.x * m, a += blockIdx.x * m, out += blockIdx.x * m;
    REAL total = 0;
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) total += da[j];
    total = block_sum(total);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x) out[j] = da[j] - exp(a[j]) * total;
}
