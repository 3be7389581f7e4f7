// Optimizer updates: one pass over memory each, in place. Thread i updates element i of n; the
// formulas are in _updates.cu.

extern "C" __global__ void sgd_REAL(REAL* p, const REAL* g, REAL lr, REAL decay, int64 n) {
    int64 i = position();
    if (i < n) p[i] = sgd(p[i], g[i], lr, decay);
}

extern "C" __global__ void momentum_REAL(
    REAL* p, const REAL* g, REAL* v, REAL mu, REAL a, REAL b, int32 nesterov, REAL decay,
    int64 n) {
    int64 i = position();
    if (i < n) p[i] = momentum(p[i], g[i], v[i], mu, a, b, nesterov, decay);
}

extern "C" __global__ void adam_REAL(
    REAL* p, const REAL* g, REAL* m, REAL* v, REAL beta1, REAL rest1, REAL beta2, REAL rest2,
    REAL step, REAL eps, REAL decay, REAL shrink, int64 n) {
    int64 i = position();
    if (i < n)
        p[i] = adam(
            p[i], g[i], m[i], v[i], beta1, rest1, beta2, rest2, step, eps, decay, shrink);
}
