// What happens to each element between two products: a chain of activations and dropouts.

// One link. Its result is kept at `a`, which the derivative reads; some read z instead, which the
// link before has kept.
struct Element {
    int64 kind;        // of kernels/table.py: an activation, dropout or identity
    double scalar;     // the numbers of an activation; 1 / (1 - p) of dropout
    double second;
    REAL* a;           // (rows, columns)
    const REAL* z;     // likewise
    uint64 threshold;  // dropout: words below are dropped
    uint64 seed;
    uint64 call;  // less the steps that Range.calls counts
};

// What dropout multiplies element e by; the mask is that of dropout.cu.
__device__ inline REAL dropout_factor(const Element& link, uint64 calls, int64 e) {
    Words drawn = philox(e / 4, link.call + calls, link.seed);
    return drawn.word[e % 4] >= link.threshold ? (REAL)link.scalar : 0;
}

__device__ inline REAL forward(const Element& link, uint64 calls, int64 e, REAL z) {
    switch (link.kind) {
        case DROPOUT: return z * dropout_factor(link, calls, e);
        case SIGMOID: return sigmoid(z);
        case TANH: return tanh(z);
        case RELU: return relu(z);
        case LEAKY_RELU: return leaky_relu(z, (REAL)link.scalar);
        case ELU: return elu(z, (REAL)link.scalar);
        case LOG_SIGMOID: return log_sigmoid(z);
        case HARDTANH: return hardtanh(z, (REAL)link.scalar, (REAL)link.second);
        case GELU: return gelu(z);
        case GELU_TANH: return gelu_tanh(z);
        case SILU: return silu(z);
        case STEP: return step(z, (REAL)link.scalar, (REAL)link.second);
        default: return z;
    }
}

__device__ inline REAL backward(const Element& link, uint64 calls, int64 e, REAL da) {
    switch (link.kind) {
        case DROPOUT: return da * dropout_factor(link, calls, e);
        case SIGMOID: return sigmoid_backward(da, link.a[e]);
        case TANH: return tanh_backward(da, link.a[e]);
        case RELU: return relu_backward(da, link.a[e]);
        case LEAKY_RELU: return leaky_relu_backward(da, link.a[e], (REAL)link.scalar);
        case ELU: return elu_backward(da, link.a[e], (REAL)link.scalar);
        case LOG_SIGMOID: return log_sigmoid_backward(da, link.a[e]);
        case HARDTANH:
            return hardtanh_backward(da, link.a[e], (REAL)link.scalar, (REAL)link.second);
        case GELU: return gelu_backward_z(da, link.z[e]);
        case GELU_TANH: return gelu_tanh_backward_z(da, link.z[e]);
        case SILU: return silu_backward_z(da, link.z[e]);
        case STEP: return 0;
        default: return da;
    }
}

// Element e = i · columns + j on its way up through the links, and its gradient on the way down.
// Not inlined: every kind of task ends in one of them, and the compiler would take its time.
__device__ __noinline__ void forward(
    const Element* chain, int64 links, uint64 calls, int64 e, REAL z) {
    for (int64 l = 0; l < links; l++) {
        z = forward(chain[l], calls, e, z);
        chain[l].a[e] = z;
    }
}

__device__ __noinline__ REAL backward(
    const Element* chain, int64 links, uint64 calls, int64 e, REAL da) {
    for (int64 l = links - 1; l >= 0; l--) da = backward(chain[l], calls, e, da);
    return da;
}
