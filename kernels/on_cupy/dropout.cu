// Dropout with the mask of kernels/reference/dropout.py, drawn anew in each pass.

// Element i stays, scaled, if word i mod 4 of counter i div 4 is at least `threshold`. Thread
// `block` computes the four elements of one counter; `out` may be x.
extern "C" __global__ void dropout_REAL(
    const REAL* x, REAL* out, REAL scale, uint32 threshold, uint64 seed, uint64 call, int64 n) {
    int64 block = position();
    if (4 * block >= n) return;
    Words drawn = philox(block, call, seed);
    for (int k = 0; k < 4 && 4 * block + k < n; k++)
        out[4 * block + k] = x[4 * block + k] * (drawn.word[k] >= threshold ? scale : 0);
}
