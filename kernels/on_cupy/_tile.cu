// A tile of a matrix product: product[i, j] = Σₖ left[i, k] right[k, j] for 32 x 32 pairs (i, j),
// by one block of 256 threads. REAL is float or double.
//
//                  right          Of each operand a slice of 32 values of k is staged in shared
//               32 columns        memory, k first. There are two such buffers: while one slice is
//              ┌──────────┐       multiplied, the next is on its way from memory to registers, and
//         32 k │  slice   │       goes to the other buffer; so one barrier a slice is enough.
//              └──────────┘
//  left   32 k                    The block is 4 groups of 64 threads. Of each slice a group takes 8
//        ┌──────┐┌──────────┐     values of k and computes the whole tile, a thread 4 x 4 elements.
//  32    │slice ││   tile   │     So a tile as small as this one keeps 8 warps busy, and a product of
//  rows  │      ││          │     128 x 512 elements is shared by 64 blocks. In the end the sums of
//        └──────┘└──────────┘     the groups are added, in the same order each time.
//
// An operand is stored in lines of `width` neighbours. Either k runs along a line (rows of x, or
// Wᵀ), or each line holds one k (W, or xᵀ). Lines may be picked by `order`, as a minibatch's are.
// Whatever lies outside the operands counts as 0.

enum : int {
    TILE = 32,
    GROUPS = 4,
    OWN = 4,              // a thread computes OWN x OWN elements
    PITCH = TILE + OWN,   // from one k to the next: what a warp stores lies in 32 banks
    SLICE = TILE * PITCH  // numbers of a staged slice
};

struct alignas(OWN * sizeof(REAL)) Four {
    REAL of[OWN];
};

// Shared memory for a tile: two buffers of two slices, and afterwards the sums of the groups.
__device__ inline REAL* arena() {
    SHARED(Four, room, 4 * SLICE / OWN);
    return (REAL*)room;
}

// One operand's share of a thread: it fetches 4 numbers of each slice and puts them where the
// multiplication reads them. T is what is stored.
template <class T, bool K_ALONG_LINE>
struct Operand {
    const T* stored;     // (lines, width)
    const int64* order;  // line l is stored at order[l]; null: at l
    int64 lines, width;
    int64 first;    // row or column of the product that the tile begins with
    const T* mine;  // the thread's line, where k runs along it; null outside the operand
    REAL fetched[OWN];

    __device__ const T* line(int64 l) const {
        return stored + (order ? order[l] : l) * width;
    }

    // Threads 0 ... 7 fetch neighbours in k of one line, where k runs along it: 32 bytes, which is
    // what memory hands out at least. Else a warp fetches 32 neighbours of a line.
    __device__ int64 across() const {
        return K_ALONG_LINE ? threadIdx.x / 8 : threadIdx.x % TILE;
    }
    __device__ int64 along(int n) const {
        return 8 * n + (K_ALONG_LINE ? threadIdx.x % 8 : threadIdx.x / TILE);
    }

    __device__ void begin() {
        int64 i = first + across();
        if (K_ALONG_LINE) mine = i < lines ? line(i) : nullptr;
    }

    __device__ void fetch(int64 k0) {
        int64 i = first + across();
        for (int n = 0; n < OWN; n++) {
            int64 k = k0 + along(n);
            if (K_ALONG_LINE) fetched[n] = mine && k < width ? (REAL)mine[k] : 0;
            else fetched[n] = k < lines && i < width ? (REAL)line(k)[i] : 0;
        }
    }

    __device__ void put(REAL* slice) const {
        for (int n = 0; n < OWN; n++) slice[along(n) * PITCH + across()] = fetched[n];
    }
};

// Compute the tile whose first element is (left.first, right.first), and call finish(i, j, value)
// for each of its elements inside the product of (rows, inner) and (inner, columns); neighbouring
// threads finish neighbours in j. The arena is free again when the block comes back.
template <class Left, class Right, class Finish>
__device__ inline void product_tile(
    Left left, Right right, int64 rows, int64 inner, int64 columns, Finish finish) {
    const int group = threadIdx.x / 64, member = threadIdx.x % 64;
    const int i0 = member / 8 * OWN, j0 = member % 8 * OWN;
    REAL sums[OWN][OWN] = {};
    left.begin(), right.begin();
    left.fetch(0), right.fetch(0);
    for (int64 k0 = 0, turn = 0; k0 < inner; k0 += TILE, turn = 1 - turn) {
        REAL *a = arena() + turn * 2 * SLICE, *b = a + SLICE;
        left.put(a), right.put(b);
        __syncthreads();
        if (k0 + TILE < inner) left.fetch(k0 + TILE), right.fetch(k0 + TILE);
#pragma unroll
        for (int k = 0; k < TILE / GROUPS; k++) {
            int line = (group * (TILE / GROUPS) + k) * PITCH;
            Four x = *(const Four*)(a + line + i0), y = *(const Four*)(b + line + j0);
#pragma unroll
            for (int i = 0; i < OWN; i++)
#pragma unroll
                for (int j = 0; j < OWN; j++) sums[i][j] += x.of[i] * y.of[j];
        }
    }
    __syncthreads();  // the sums go where the slices are
    for (int i = 0; i < OWN; i++)
        for (int j = 0; j < OWN; j++)
            arena()[group * SLICE + (i0 + i) * PITCH + j0 + j] = sums[i][j];
    __syncthreads();
#pragma unroll 1  // what finishes an element may be long
    for (int n = 0; n < OWN; n++) {
        const int i = threadIdx.x / TILE + 8 * n, j = threadIdx.x % TILE;
        REAL value = 0;
        for (int g = 0; g < GROUPS; g++) value += arena()[g * SLICE + i * PITCH + j];
        if (left.first + i < rows && right.first + j < columns)
            finish(left.first + i, right.first + j, value);
    }
    __syncthreads();  // the next tile may overwrite the sums only when all have read them
}
