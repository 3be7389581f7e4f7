// Random words that depend on nothing but a counter and a seed.

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
