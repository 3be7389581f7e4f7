// Activations and their derivatives; the formulas are in _activations.cu.
//
// Element-wise kernels: thread i computes element i of n. `out` may be any of the inputs.

extern "C" __global__ void sigmoid_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = sigmoid(z[i]);
}

extern "C" __global__ void sigmoid_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = sigmoid_backward(da[i], a[i]);
}

extern "C" __global__ void sigmoid_backward_z_REAL(
    const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = sigmoid_backward(da[i], sigmoid(z[i]));
}

extern "C" __global__ void tanh_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = tanh(z[i]);
}

extern "C" __global__ void tanh_backward_REAL(const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = tanh_backward(da[i], a[i]);
}

extern "C" __global__ void tanh_backward_z_REAL(
    const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = tanh_backward(da[i], tanh(z[i]));
}

extern "C" __global__ void relu_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = relu(z[i]);
}

extern "C" __global__ void relu_backward_REAL(const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = relu_backward(da[i], a[i]);
}

extern "C" __global__ void leaky_relu_REAL(const REAL* z, REAL slope, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = leaky_relu(z[i], slope);
}

extern "C" __global__ void leaky_relu_backward_REAL(
    const REAL* da, const REAL* a, REAL slope, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = leaky_relu_backward(da[i], a[i], slope);
}

extern "C" __global__ void elu_REAL(const REAL* z, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = elu(z[i], alpha);
}

extern "C" __global__ void elu_backward_REAL(
    const REAL* da, const REAL* a, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = elu_backward(da[i], a[i], alpha);
}

extern "C" __global__ void elu_backward_z_REAL(
    const REAL* da, const REAL* z, REAL alpha, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = da[i] * (z[i] > 0 ? 1 : alpha * exp(z[i]));
}

extern "C" __global__ void log_sigmoid_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = log_sigmoid(z[i]);
}

extern "C" __global__ void log_sigmoid_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = log_sigmoid_backward(da[i], a[i]);
}

extern "C" __global__ void hardtanh_REAL(const REAL* z, REAL low, REAL high, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = hardtanh(z[i], low, high);
}

extern "C" __global__ void hardtanh_backward_REAL(
    const REAL* da, const REAL* a, REAL low, REAL high, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = hardtanh_backward(da[i], a[i], low, high);
}

extern "C" __global__ void gelu_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = gelu(z[i]);
}

extern "C" __global__ void gelu_backward_z_REAL(const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = gelu_backward_z(da[i], z[i]);
}

extern "C" __global__ void gelu_tanh_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = gelu_tanh(z[i]);
}

extern "C" __global__ void gelu_tanh_backward_z_REAL(
    const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = gelu_tanh_backward_z(da[i], z[i]);
}

extern "C" __global__ void silu_REAL(const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = silu(z[i]);
}

extern "C" __global__ void silu_backward_z_REAL(const REAL* da, const REAL* z, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = silu_backward_z(da[i], z[i]);
}

extern "C" __global__ void step_REAL(const REAL* z, REAL low, REAL at_zero, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = step(z[i], low, at_zero);
}

// Nothing depends on z, but where it jumps.
extern "C" __global__ void step_backward_REAL(REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = 0;
}

// n counts units, and each has so many neighbouring numbers of z.

extern "C" __global__ void maxout_REAL(const REAL* z, int64 pieces, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) out[i] = maxout(z + i * pieces, pieces);
}

extern "C" __global__ void maxout_backward_z_REAL(
    const REAL* da, const REAL* z, int64 pieces, REAL* out, int64 n) {
    int64 i = position();
    if (i < n) maxout_backward_z(da[i], z + i * pieces, out + i * pieces, pieces);
}

// Row-wise kernels: a block computes one row of m numbers.

extern "C" __global__ void softmax_REAL(const REAL* z, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    softmax(z + row, out + row, m);
}

extern "C" __global__ void softmax_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    softmax_backward(da + row, a + row, out + row, m);
}

extern "C" __global__ void log_softmax_REAL(const REAL* z, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    log_softmax(z + row, out + row, m);
}

extern "C" __global__ void log_softmax_backward_REAL(
    const REAL* da, const REAL* a, REAL* out, int64 m) {
    int64 row = blockIdx.x * m;
    log_softmax_backward(da + row, a + row, out + row, m);
}
