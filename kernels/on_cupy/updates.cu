// Optimizer updates: one pass over memory each, in place. Thread i updates element i of n.

extern "C" __global__ void sgd_REAL(REAL* p, const REAL* g, REAL lr, REAL decay, int64 n) {
    int64 i = position();
    if (i < n) p[i] -= lr * (g[i] + decay * p[i]);
}

extern "C" __global__ void momentum_REAL(
    REAL* p, const REAL* g, REAL* v, REAL mu, REAL a, REAL b, int32 nesterov, REAL decay,
    int64 n) {
    int64 i = position();
    if (i >= n) return;
    REAL h = g[i] + decay * p[i];
    REAL w = mu * v[i] + a * h;
    v[i] = w;
    p[i] -= b * (nesterov ? mu * w + a * h : w);
}

// rest1 = 1 - β₁ and rest2 = 1 - β₂ come from the host: 1 - 0.999f has lost three digits.
extern "C" __global__ void adam_REAL(
    REAL* p, const REAL* g, REAL* m, REAL* v, REAL beta1, REAL rest1, REAL beta2, REAL rest2,
    REAL step, REAL eps, REAL decay, REAL shrink, int64 n) {
    int64 i = position();
    if (i >= n) return;
    REAL h = g[i] + decay * p[i];
    m[i] = beta1 * m[i] + rest1 * h;
    v[i] = beta2 * v[i] + rest2 * (h * h);
    p[i] = shrink * p[i] - step * m[i] / (sqrt(v[i]) + eps);
}
