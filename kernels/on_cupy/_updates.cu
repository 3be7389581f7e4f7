// The formulas of the optimizers, for one element each; kernels/reference/updates.py says what the
// letters mean. A state is changed in place, the new parameter is returned.

__device__ inline REAL sgd(REAL p, REAL g, REAL lr, REAL decay) {
    return p - lr * (g + decay * p);
}

__device__ inline REAL momentum(
    REAL p, REAL g, REAL& v, REAL mu, REAL a, REAL b, bool nesterov, REAL decay) {
    REAL h = g + decay * p;
    v = mu * v + a * h;
    return p - b * (nesterov ? mu * v + a * h : v);
}

// rest1 = 1 - β₁ and rest2 = 1 - β₂ are taken in double: 1 - 0.999f has lost three digits.
__device__ inline REAL adam(
    REAL p, REAL g, REAL& m, REAL& v, REAL beta1, REAL rest1, REAL beta2, REAL rest2, REAL step,
    REAL eps, REAL decay, REAL shrink) {
    REAL h = g + decay * p;
    m = beta1 * m + rest1 * h;
    v = beta2 * v + rest2 * (h * h);
    return shrink * p - step * m / (sqrt(v) + eps);
}
