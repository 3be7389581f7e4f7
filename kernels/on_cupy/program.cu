// The steps of a training program: tasks, one after another or side by side, on a range of the data.
//
// kernels/on_cupy/recording.py writes the tasks of a step once. Those that do not wait for each
// other form a stage; the blocks of a grid share its tiles, and wait for each other between stages.
// The kernel `steps` runs one stage, to be launched or captured in a CUDA graph, or else whole
// minibatches in one launch, with a barrier over the grid where the first way ends a launch.

// A piece of a step, the same for each minibatch of a height. Arrays are C-ordered.
struct Task {
    int64 kind;       // of TASKS
    int64 tiles;      // so many blocks can work on it
    int64 together;   // in the first task of a stage: so many tasks form the stage
    int64 rows;       // of the minibatch
    int64 inner;      // columns of x
    int64 columns;    // columns of y
    int64 from_data;  // x is the rows of the data that the order names
    double scale;     // x is multiplied by it
    const REAL* x;    // (rows, inner)
    const REAL* w;    // (inner, columns)
    const REAL* b;    // (columns,) or null
    REAL* y;          // (rows, columns)
    REAL* dy;         // (rows, columns)
    REAL* dx;         // (rows, inner) or null
    REAL* p;          // the parameters that are updated: w or b
    REAL* g;          // their gradient
    REAL* m;          // their optimizer states, where the optimizer has them
    REAL* v;
    double decay;
    int64 loss;     // of kernels/table.py
    double weight;  // of a row's loss
    int64 links;    // of the chain between y, or x, and the next product
    Element chain[3];
};

// What changes from one call to the next: the data, and how the parameters are updated.
struct Range {
    const uint8* bytes;    // the data (n, n_in), one of the two
    const REAL* values;
    const int64* order;    // (n,), or null: the rows as they come
    const int64* labels;   // (n,) or targets (n, n_out), one of the two
    const REAL* targets;
    REAL* row_losses;      // (n,), by place in the order
    const double* scalars; // (steps, 3), of the optimizer
    int64 first;           // minibatch that scalars begin with
    int64 now;             // minibatch to go on with; `tick` counts it up
    int64 height;          // rows of a full minibatch
    uint64 calls;          // steps since the tasks were written
    int64 update;          // of kernels/table.py
    double beta1;          // of Adam; the momentum of momentum
    double beta2;
    int64 nesterov;
};

enum : int64 { HEAD_COLUMNS = 32, ELEMENTS_OF_TILE = 4 * BLOCK, ROOM = 24 };

// The optimizer at one step, for the parameters of one task.
struct Optimizer {
    int64 kind;
    REAL s0, s1, s2, decay, beta1, rest1, beta2, rest2;
    bool nesterov;

    __device__ Optimizer(const Task& t, const Range& r, int64 step) {
        const double* s = r.scalars + 3 * (step - r.first);
        kind = r.update, nesterov = r.nesterov;
        s0 = s[0], s1 = s[1], s2 = s[2], decay = t.decay;
        beta1 = r.beta1, rest1 = 1 - r.beta1, beta2 = r.beta2, rest2 = 1 - r.beta2;
    }

    // Parameter e of the task has the gradient g.
    __device__ void update(const Task& t, int64 e, REAL g) const {
        if (kind == SGD)
            t.p[e] = sgd(t.p[e], g, s0, decay);
        else if (kind == MOMENTUM)
            t.p[e] = momentum(t.p[e], g, t.m[e], beta1, s0, s1, nesterov, decay);
        else if (kind == ADAM)
            t.p[e] = adam(
                t.p[e], g, t.m[e], t.v[e], beta1, rest1, beta2, rest2, s0, s1, decay, s2);
        else
            t.g[e] = g;
    }
};

// A task as one block of the grid sees it.
struct Work {
    const Task& t;
    const Range& r;
    int64 step, tile;
    uint64 calls;
    const int64* order;  // of the minibatch

    __device__ Work(const Task& task, const Range& range, int64 step, int64 tile)
        : t(task), r(range), step(step), tile(tile) {
        calls = range.calls + (step - range.first);
        order = range.order ? range.order + step * range.height : nullptr;
    }

    __device__ int64 wide(int64 columns) const { return (columns + TILE - 1) / TILE; }
    __device__ int64 row0(int64 columns) const { return tile / wide(columns) * TILE; }
    __device__ int64 column0(int64 columns) const { return tile % wide(columns) * TILE; }

    // y = chain(scale x W + b)
    template <class T>
    __device__ void product_forward(const T* x, const int64* picked) const {
        Operand<T, true> left = {x, picked, t.rows, t.inner, row0(t.columns)};
        Operand<REAL, false> right = {t.w, nullptr, t.inner, t.columns, column0(t.columns)};
        product_tile(left, right, t.rows, t.inner, t.columns,
                     [&](int64 i, int64 j, REAL sum) {
                         REAL z = (REAL)t.scale * sum + (t.b ? t.b[j] : 0);
                         forward(t.chain, t.links, calls, i * t.columns + j, z);
                     });
    }

    // dx = chain'(dy Wᵀ)
    __device__ void product_backward() const {
        Operand<REAL, true> left = {t.dy, nullptr, t.rows, t.columns, row0(t.inner)};
        Operand<REAL, true> right = {t.w, nullptr, t.inner, t.columns, column0(t.inner)};
        product_tile(left, right, t.rows, t.columns, t.inner,
                     [&](int64 i, int64 k, REAL da) {
                         int64 e = i * t.inner + k;
                         t.dx[e] = backward(t.chain, t.links, calls, e, da);
                     });
    }

    // W is updated with the gradient scale xᵀ dy
    template <class T>
    __device__ void gradient(const T* x, const int64* picked) const {
        Optimizer optimizer(t, r, step);
        Operand<T, false> left = {x, picked, t.rows, t.inner, row0(t.columns)};
        Operand<REAL, false> right = {t.dy, nullptr, t.rows, t.columns, column0(t.columns)};
        product_tile(left, right, t.inner, t.rows, t.columns,
                     [&](int64 k, int64 j, REAL sum) {
                         optimizer.update(t, k * t.columns + j, (REAL)t.scale * sum);
                     });
    }

    // b is updated with the gradient Σᵢ dy[i, :]
    __device__ void bias_gradient() const {
        int64 first = tile * 32, j = first + threadIdx.x;
        REAL sum = column_sum(t.dy, t.rows, t.columns, first);
        if (threadIdx.x < 32 && j < t.columns) Optimizer(t, r, step).update(t, j, sum);
    }

    // p is updated with the gradient g, which a library has computed
    __device__ void flat_update() const {
        Optimizer optimizer(t, r, step);
        int64 n = t.inner * t.columns, first = tile * ELEMENTS_OF_TILE;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS_OF_TILE && e < n; e += BLOCK)
            optimizer.update(t, e, t.g[e]);
    }

    // y = chain(scale x + b), x (rows, columns) being the data, an activation or a product
    template <class T>
    __device__ void elements_forward(const T* x, const int64* picked) const {
        int64 n = t.rows * t.columns, first = tile * ELEMENTS_OF_TILE;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS_OF_TILE && e < n; e += BLOCK) {
            int64 i = e / t.columns, j = e % t.columns;
            REAL z = (REAL)t.scale * (REAL)x[(picked ? picked[i] : i) * t.columns + j];
            forward(t.chain, t.links, calls, e, z + (t.b ? t.b[j] : 0));
        }
    }

    // dx = chain'(dy), both (rows, columns)
    __device__ void elements_backward() const {
        int64 n = t.rows * t.columns, first = tile * ELEMENTS_OF_TILE;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS_OF_TILE && e < n; e += BLOCK)
            t.dx[e] = backward(t.chain, t.links, calls, e, t.dy[e]);
    }

    // The loss of row `tile`, whose outputs are z, and its gradient dz.
    __device__ void row_loss(const REAL* z, REAL* dz) const {
        int64 row = step * r.height + tile, m = t.columns;
        int64 picked = r.order ? r.order[row] : row;
        REAL weight = t.weight, loss;
        if (t.loss == CROSS_ENTROPY) {
            int64 label = r.labels[picked];
            Exponentials e = exponentials(z, m);
            loss = cross_entropy(e, z[label]);
            for (int64 j = threadIdx.x; j < m; j += BLOCK)
                dz[j] = cross_entropy_backward(weight, e, z[j], j == label);
        } else {
            const REAL* target = r.targets + picked * m;
            bool squared = t.loss == SQUARED_ERROR;
            loss = squared ? squared_error(z, target, m) : binary_cross_entropy(z, target, m);
            for (int64 j = threadIdx.x; j < m; j += BLOCK)
                dz[j] = squared ? squared_error_backward(weight, z[j], target[j])
                                : binary_cross_entropy_backward(weight, z[j], target[j]);
        }
        if (threadIdx.x == 0) r.row_losses[row] = loss;
    }

    // The last product, the loss and the product back, for row `tile`: y = scale x W + b, dy, and
    // dx = chain'(dy Wᵀ) where there is one. Rows do not wait for each other. x is the row.
    //
    // Thread t adds up column t mod m over every (BLOCK / m)-th k, so that W is read as it lies.
    template <class T>
    __device__ void head(const T* x) const {
        REAL *sums = arena(), *z = sums + BLOCK, *dz = z + HEAD_COLUMNS;
        const int64 m = t.columns, groups = BLOCK / m, group = threadIdx.x / m;
        const int64 j = threadIdx.x % m;
        REAL sum = 0;
        if (group < groups)
            for (int64 k = group; k < t.inner; k += groups) sum += (REAL)x[k] * t.w[k * m + j];
        sums[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x < m) {
            sum = 0;
            for (int64 g = 0; g < groups; g++) sum += sums[g * m + j];
            z[j] = (REAL)t.scale * sum + (t.b ? t.b[j] : 0);
            t.y[tile * m + j] = z[j];
        }
        __syncthreads();
        row_loss(z, dz);
        __syncthreads();
        if (threadIdx.x < m) t.dy[tile * m + j] = dz[j];
        if (t.dx)
            for (int64 k = threadIdx.x; k < t.inner; k += BLOCK) {
                REAL da = 0;
                for (int64 c = 0; c < m; c++) da += dz[c] * t.w[k * m + c];
                int64 e = tile * t.inner + k;
                t.dx[e] = backward(t.chain, t.links, calls, e, da);
            }
    }

    // A row of a softmax among the layers.
    __device__ void row_forward() const {
        int64 row = tile * t.columns;
        if (t.chain[0].kind == SOFTMAX) softmax(t.x + row, t.y + row, t.columns);
        else log_softmax(t.x + row, t.y + row, t.columns);
    }

    __device__ void row_backward() const {
        int64 row = tile * t.columns;
        if (t.chain[0].kind == SOFTMAX)
            softmax_backward(t.dy + row, t.y + row, t.dx + row, t.columns);
        else log_softmax_backward(t.dy + row, t.y + row, t.dx + row, t.columns);
    }

    __device__ void run() const {
        // x, or of the data the rows that the order names, or those of this minibatch as they come
        const int64* lines = t.from_data ? order : nullptr;
        const int64 start = t.from_data && !order ? step * r.height * t.inner : 0;
        const REAL* x = (t.from_data ? r.values : t.x) + start;
        const uint8* bytes = t.from_data && r.bytes ? r.bytes + start : nullptr;
        switch (t.kind) {
            case FORWARD:
                if (bytes) product_forward(bytes, lines);
                else product_forward(x, lines);
                break;
            case HEAD: {
                int64 row = (lines ? lines[tile] : tile) * t.inner;
                if (bytes) head(bytes + row);
                else head(x + row);
                break;
            }
            case GRADIENT:
                if (bytes) gradient(bytes, lines);
                else gradient(x, lines);
                break;
            case ELEMENTS_FORWARD:
                if (bytes) elements_forward(bytes, lines);
                else elements_forward(x, lines);
                break;
            case BACKWARD: product_backward(); break;
            case BIAS_GRADIENT: bias_gradient(); break;
            case FLAT_UPDATE: flat_update(); break;
            case ELEMENTS_BACKWARD: elements_backward(); break;
            case LOSS: row_loss(t.y + tile * t.columns, t.dy + tile * t.columns); break;
            case ROW_FORWARD: row_forward(); break;
            case ROW_BACKWARD: row_backward(); break;
        }
    }
};

// Tasks in shared memory, where they fit, to be read after a barrier: each block reads them at
// each tile. Both copies are words of 8 bytes.
__device__ inline void copy_words(const void* from, void* to, int64 bytes) {
    for (int64 w = threadIdx.x; w < bytes / 8; w += BLOCK)
        ((uint64*)to)[w] = ((const uint64*)from)[w];
}

__device__ inline const Task* held(const Task* tasks, int64 count, Task* room) {
    if (count > ROOM) return tasks;
    copy_words(tasks, room, count * sizeof(Task));
    return room;
}

// One stage of a step: the blocks share the tiles of its tasks, always in the same way.
__device__ inline void run_stage(const Task* tasks, const Range& range, int64 step) {
    const int64 count = tasks->together;
    for (int64 tile = blockIdx.x;; tile += gridDim.x) {
        int64 rest = tile, n = 0;
        while (n < count && rest >= tasks[n].tiles) rest -= tasks[n++].tiles;
        if (n == count) return;
        Work(tasks[n], range, step, rest).run();
    }
}

// Wait for all blocks of the grid, which must all be running. `arrived` counts arrivals, so that
// it need not be set back: a block waits until all have arrived as often as itself. The fences make
// what a block wrote visible to the others, as cooperative_groups' grid.sync() does.
__device__ inline void grid_barrier(uint64* arrived) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        uint64 goal = (atomicAdd(arrived, 1) / gridDim.x + 1) * gridDim.x;
        while (peek(arrived) < goal) pause();
        __threadfence();
    }
    __syncthreads();
}

// Minibatches from range.now + ahead on: `times` full ones by `tasks`, and `last_times` of the last,
// smaller one by `last_tasks`. With a barrier, *arrived is 0 and all blocks run at the same time (a
// cooperative launch). Without, `arrived` is null and there is one stage to run: the next is a
// launch of its own. One kernel for both, since each would bring its own copy of all the tasks.
extern "C" __global__ void __launch_bounds__(BLOCK) steps_REAL(
    const Range* range, uint64* arrived, const Task* tasks, int64 count, int64 times,
    const Task* last_tasks, int64 last_count, int64 last_times, int64 ahead) {
    SHARED(Task, room, ROOM);
    SHARED(Range, here, 1);
    copy_words(range, here, sizeof(Range));
    __syncthreads();
    int64 step = here->now + ahead;
    for (int half = 0; half < 2; half++) {
        const int64 n = half ? last_count : count, repeats = half ? last_times : times;
        const Task* mine = held(half ? last_tasks : tasks, n, room);
        __syncthreads();
        for (int64 k = 0; k < repeats; k++, step++)
            for (int64 stage = 0, next; stage < n; stage = next) {
                next = stage + mine[stage].together;  // not after the barrier: others may be on
                run_stage(mine + stage, here[0], step);  // their way to the next tasks by then
                if (arrived) GRID_BARRIER(arrived);
            }
    }
}

// What follows the launches of so many minibatches.
extern "C" __global__ void tick_REAL(Range* range, int64 steps) {
    if (position() == 0) range->now += steps;
}
