// Dropout with the mask of kernels/reference/dropout.py, drawn anew in each pass.

struct Words {
    uint32 word[4];
};

// Philox4x32-10 (Salmon et al. 2011): four random words of the counter (block, call), the key
// being the seed. Words are taken low half first.
__device__ inline Words philox(uint64 block, uint64 call, uint64 seed) {
    uint32 c0 = (uint32)block, c1 = (uint32)(block >> 32);
    uint32 c2 = (uint32)call, c3 = (uint32)(call >> 32);
    uint32 k0 = (uint32)seed, k1 = (uint32)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64 p0 = (uint64)c0 * 0xD2511F53u, p1 = (uint64)c2 * 0xCD9E8D57u;
        c0 = (uint32)(p1 >> 32) ^ c1 ^ k0, c1 = (uint32)p1;
        c2 = (uint32)(p0 >> 32) ^ c3 ^ k1, c3 = (uint32)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

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
