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

// log σ(z) = min(z, 0) - log(1 + e^-|z|), which neither overflows nor rounds e⁻ᶻ away.
__device__ inline REAL log_sigmoid(REAL z) {
    return (z >= 0 ? 0 : z) - log1p(exp(-fabs(z)));
}

// 1 - σ(z) = 1 - eᵃ
__device__ inline REAL log_sigmoid_backward(REAL da, REAL a) {
    return da * -expm1(a);
}

__device__ inline REAL hardtanh(REAL z, REAL low, REAL high) {
    return z < low ? low : z > high ? high : z;
}

__device__ inline REAL hardtanh_backward(REAL da, REAL a, REAL low, REAL high) {
    return da * (low < a && a < high ? 1 : 0);
}

// Φ(z) = ½ erfc(-z / √2), the normal distribution; 1 + erf would round the lower tail away.
__device__ inline REAL normal_below(REAL z) {
    return (REAL)0.5 * erfc(z * (REAL)-0.70710678118654752440);
}

// gelu = z Φ(z), and Φ'(z) = exp(-z² / 2) / √2π
__device__ inline REAL gelu(REAL z) {
    return z * normal_below(z);
}

__device__ inline REAL gelu_backward_z(REAL da, REAL z) {
    REAL density = exp((REAL)-0.5 * z * z) * (REAL)0.39894228040143267794;
    return da * (normal_below(z) + z * density);
}

// gelu_tanh = z σ(2u) with 2u = √(8/π) (z + 0.044715 z³); as ½ z (1 + tanh u) it would cancel far
// left. Beyond 40, where σ is 0 or 1, z stands still, or z³ would overflow.
struct Sigmoid2u {
    REAL s, slope;  // σ(2u), and the derivative of 2u
};

__device__ inline Sigmoid2u sigmoid_2u(REAL z) {
    const REAL c = (REAL)1.59576912160573071176, d = (REAL)0.044715;
    REAL x = z > 40 ? 40 : z < -40 ? -40 : z;
    return {sigmoid(c * x * (1 + d * (x * x))), c * (1 + 3 * d * (x * x))};
}

__device__ inline REAL gelu_tanh(REAL z) {
    return z * sigmoid_2u(z).s;
}

__device__ inline REAL gelu_tanh_backward_z(REAL da, REAL z) {
    Sigmoid2u f = sigmoid_2u(z);
    return da * (f.s + z * (f.s * (1 - f.s) * f.slope));
}

__device__ inline REAL silu(REAL z) {
    return z * sigmoid(z);
}

__device__ inline REAL silu_backward_z(REAL da, REAL z) {
    REAL s = sigmoid(z);
    return da * (s * (1 + z * (1 - s)));
}

// 1 above 0, `low` below; the last branch keeps a NaN.
__device__ inline REAL step(REAL z, REAL low, REAL at_zero) {
    return z > 0 ? 1 : z < 0 ? low : z == 0 ? at_zero : z;
}

// Which of a unit's pieces is its maximum: the first of equal ones, or the first NaN.
__device__ inline int64 greatest(const REAL* z, int64 pieces) {
    int64 best = 0;
    for (int64 k = 1; k < pieces; k++)
        if (z[best] == z[best] && !(z[k] <= z[best])) best = k;
    return best;
}

// The pieces of unit j lie side by side, so z and dz here begin at j · pieces. Whoever computes a
// unit reads all of them before it writes, so dz may lie over z.
__device__ inline REAL maxout(const REAL* z, int64 pieces) {
    return z[greatest(z, pieces)];
}

__device__ inline void maxout_backward_z(REAL da, const REAL* z, REAL* dz, int64 pieces) {
    int64 best = greatest(z, pieces);
    for (int64 k = 0; k < pieces; k++) dz[k] = k == best ? da : 0;
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
