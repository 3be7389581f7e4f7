// Losses of each row of a batch, and their gradients weighted by dl; the formulas are in _losses.cu.
//
// A loss: a block adds up one row of m numbers and its first thread writes out[row]. A gradient:
// thread i computes element i of n, except for the cross-entropy, whose rows need a sum.

extern "C" __global__ void squared_error_REAL(
    const REAL* y, const REAL* t, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    REAL loss = squared_error(y + row, t + row, m);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void squared_error_backward_REAL(
    const REAL* dl, const REAL* y, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = squared_error_backward(dl[i / m], y[i], t[i]);
}

extern "C" __global__ void binary_cross_entropy_REAL(
    const REAL* z, const REAL* t, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    REAL loss = binary_cross_entropy(z + row, t + row, m);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void binary_cross_entropy_backward_REAL(
    const REAL* dl, const REAL* z, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = binary_cross_entropy_backward(dl[i / m], z[i], t[i]);
}

extern "C" __global__ void poisson_REAL(
    const REAL* z, const REAL* t, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    REAL loss = poisson(z + row, t + row, m);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void poisson_backward_REAL(
    const REAL* dl, const REAL* z, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = poisson_backward(dl[i / m], z[i], t[i]);
}

extern "C" __global__ void perceptron_REAL(
    const REAL* z, const REAL* t, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    REAL loss = perceptron(z + row, t + row, m);
    if (threadIdx.x == 0) out[blockIdx.x] = loss;
}

extern "C" __global__ void perceptron_backward_REAL(
    const REAL* dl, const REAL* z, const REAL* t, REAL* out, int64 m, int64 n) {
    int64 i = position();
    if (i < n) out[i] = perceptron_backward(dl[i / m], z[i], t[i]);
}

extern "C" __global__ void cross_entropy_REAL(
    const REAL* z, const int64* t, REAL* out, int64 m) {
    z += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    if (threadIdx.x == 0) out[blockIdx.x] = cross_entropy(e, z[t[blockIdx.x]]);
}

extern "C" __global__ void cross_entropy_backward_REAL(
    const REAL* dl, const REAL* z, const int64* t, REAL* out, int64 m) {
    z += blockIdx.x * m, out += blockIdx.x * m;
    Exponentials e = exponentials(z, m);
    for (int64 j = threadIdx.x; j < m; j += blockDim.x)
        out[j] = cross_entropy_backward(dl[blockIdx.x], e, z[j], j == t[blockIdx.x]);
}
