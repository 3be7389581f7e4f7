// A tile of a matrix product: product[i, j] = Σₖ left[i, k] right[k, j] for HIGH x 32 pairs (i, j),
// by one block of 256 threads. REAL is float or double. HIGH is 16 for what has the rows of a
// minibatch, of which there are few, and 32 for gradients of weights.
//
//                  right          Of each operand a slice of 32 values of k is staged in shared
//               32 columns        memory, k first. There are two such buffers: while one slice is
//              ┌──────────┐       multiplied, the next is on its way from memory to registers, and
//         32 k │  slice   │       goes to the other buffer; so one barrier a slice is enough.
//              └──────────┘
//  left   32 k                    The block is 8 groups of 32 threads (4 of 64). Of each slice a
//        ┌──────┐┌──────────┐     group takes 4 values of k (8) and computes the whole tile, a
//  HIGH  │slice ││   tile   │     thread 4 x 4 elements. So a tile as small as this one keeps 8
//  rows  │      ││          │     warps busy, and a product of 128 x 512 elements is shared by 128
//        └──────┘└──────────┘     blocks. In the end the sums of the groups are added, in the same
//                                 order each time.
//
// An operand is stored in lines of `width` neighbours. Either k runs along a line (rows of x, or
// Wᵀ), or each line holds one k (W, or xᵀ). Lines may be picked by `order`, as a minibatch's are.
// Whatever lies outside the operands counts as 0. Sizes are ints: address arithmetic on 64 bits
// would take as many instructions as the multiplications.
//
// TILE = 32 and LOW = 16 come from _source.py, since the host counts the tiles.

enum : int {
    OWN = 4,             // a thread computes OWN x OWN elements
    PITCH = TILE + OWN,  // of columns; what a warp stores of floats lies in 32 banks
    SLICE = TILE * PITCH
};

struct alignas(OWN * sizeof(REAL)) Four {
    REAL of[OWN];
};

// Shared memory for a tile: two buffers of two slices, and afterwards the sums of the groups.
__device__ inline REAL* arena() {
    SHARED(Four, room, 4 * SLICE / OWN);
    return (REAL*)room;
}

// One operand's share of a thread: COUNT numbers of each slice, from memory to shared memory. T is
// what is stored, SPAN how many rows or columns of the product the tile has.
//
// Where k runs along the line, 8 threads fetch neighbours, 32 bytes of floats, which is the least
// that memory hands out; else a warp fetches neighbours of a line. What is fetched is converted
// when it is put, after the multiplication of the slice before, so that no thread waits for it
// earlier; and numbers of lines are read before the lines, for the same reason.
template <class T, int SPAN, bool K_ALONG_LINE, bool PICKED>
struct Operand {
    enum : int { COUNT = SPAN * TILE / BLOCK, APART = BLOCK / SPAN, PITCHED = SPAN + OWN };
    const T* stored;     // (lines, width)
    const int64* order;  // PICKED: line l is stored at order[l], unless order is null and k runs along
    int lines, width;
    int first;  // row or column of the product that the tile begins with
    const T* mine;
    int k, ks;  // the k of the thread's first number, and how many there are
    bool inside;
    T fetched[COUNT];

    __device__ int across() const {
        return K_ALONG_LINE ? threadIdx.x / 8 % SPAN : threadIdx.x % SPAN;
    }
    __device__ int along() const {
        return K_ALONG_LINE ? threadIdx.x % 8 + threadIdx.x / (8 * SPAN) * 8 : threadIdx.x / SPAN;
    }

    __device__ void begin() {
        const int i = first + across();
        k = along();
        if (K_ALONG_LINE) {
            inside = i < lines, ks = width;
            const int64 line = PICKED && order && inside ? order[i] : i;
            mine = stored + line * width + k;
        } else {
            inside = i < width, ks = lines;
            mine = stored + (PICKED ? i : (int64)k * width + i);
        }
    }

    __device__ void fetch() {
        int64 start[COUNT];
#pragma unroll
        for (int n = 0; n < COUNT; n++) {
            if (K_ALONG_LINE) start[n] = n * APART;
            else if (!PICKED) start[n] = n * APART * width;
            else start[n] = inside && k + n * APART < ks ? (int)order[k + n * APART] * (int64)width : 0;
        }
#pragma unroll
        for (int n = 0; n < COUNT; n++)
            fetched[n] = inside && k + n * APART < ks ? mine[start[n]] : (T)0;
        k += TILE;
        if (K_ALONG_LINE) mine += TILE;
        else if (!PICKED) mine += TILE * width;
    }

    __device__ void put(REAL* slice) const {
        REAL* place = slice + along() * PITCHED + across();
#pragma unroll
        for (int n = 0; n < COUNT; n++) place[n * APART * PITCHED] = (REAL)fetched[n];
    }
};

// Compute the tile whose first element is (left.first, right.first). For each of its elements
// inside the product of (rows, inner) and (inner, columns) a thread calls end.read(i, j), and later
// end.write(i, j, value, what was read); neighbouring threads have neighbours in j. The arena is
// free again when the block comes back.
template <int HIGH, class Left, class Right, class End>
__device__ inline void product_tile(
    Left left, Right right, int rows, int inner, int columns, const End& end) {
    enum : int {
        MEMBERS = HIGH / OWN * (TILE / OWN),  // threads of a group
        GROUPS = BLOCK / MEMBERS,
        TALL = TILE * (HIGH + OWN),  // numbers of a slice of left
        SUMS = HIGH * PITCH,         // and of a group's sums
        ENDS = HIGH * TILE / BLOCK,  // elements that a thread ends
    };
    // Neighbouring threads read the same numbers of left or right: 4 x 2 of them share each.
    const int group = threadIdx.x / MEMBERS, member = threadIdx.x % MEMBERS;
    const int i0 = (member >> 1 & 1 | (member >> 4) << 1) * OWN;
    const int j0 = (member & 1 | (member >> 2 & 3) << 1) * OWN;
    REAL sums[OWN][OWN] = {};
    left.begin(), right.begin();
    left.fetch(), right.fetch();
    for (int left_over = inner, turn = 0; left_over > 0; left_over -= TILE, turn ^= 1) {
        REAL *a = arena() + turn * 2 * SLICE, *b = a + TALL;
        left.put(a), right.put(b);
        __syncthreads();
        if (left_over > TILE) left.fetch(), right.fetch();
#pragma unroll
        for (int k = 0; k < TILE / GROUPS; k++) {
            const int line = group * (TILE / GROUPS) + k;
            Four x = *(const Four*)(a + line * (HIGH + OWN) + i0);
            Four y = *(const Four*)(b + line * PITCH + j0);
#pragma unroll
            for (int i = 0; i < OWN; i++)
#pragma unroll
                for (int j = 0; j < OWN; j++) sums[i][j] += x.of[i] * y.of[j];
        }
    }
    const int i1 = threadIdx.x / TILE, j1 = threadIdx.x % TILE;
    typename End::Read read[ENDS];
#pragma unroll
    for (int n = 0; n < ENDS; n++) {
        const int i = left.first + i1 + n * (BLOCK / TILE), j = right.first + j1;
        if (i < rows && j < columns) read[n] = end.read(i, j);
    }
    __syncthreads();  // the sums go where the slices are
    for (int i = 0; i < OWN; i++)
        *(Four*)(arena() + group * SUMS + (i0 + i) * PITCH + j0) = {
            sums[i][0], sums[i][1], sums[i][2], sums[i][3]};
    __syncthreads();
#pragma unroll
    for (int n = 0; n < ENDS; n++) {
        const int row = i1 + n * (BLOCK / TILE);
        REAL value = 0;
        for (int g = 0; g < GROUPS; g++) value += arena()[g * SUMS + row * PITCH + j1];
        const int i = left.first + row, j = right.first + j1;
        if (i < rows && j < columns) end.write(i, j, value, read[n]);
    }
    __syncthreads();  // the next tile may overwrite the sums only when all have read them
}
