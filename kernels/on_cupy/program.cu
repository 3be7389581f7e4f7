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
    double decay;     // times the last of the scalars
    int64 loss;     // of kernels/table.py
    double weight;  // of a row's loss, times its own
    int64 links;    // of the chain between y, or x, and the next product
    Element chain[3];
};

// What changes from one call to the next: the data, and how the parameters are updated.
struct Range {
    const uint8* bytes;    // the data (n, n_in), one of the two
    const REAL* values;
    const int64* order;    // (n,) rows of the data
    const int64* labels;   // (n,) or targets (n, n_out), one of the two
    const REAL* targets;
    REAL* row_losses;      // (n,), by place in the order
    const REAL* weights;   // (n,) of the rows, by place in the order, or null
    const double* scalars; // (steps, 4), of the optimizer, and the share of the decay
    int64 first;           // minibatch that scalars begin with
    int64 now;             // minibatch to go on with; `tick` counts it up
    int64 height;          // rows of a full minibatch
    uint64 calls;          // steps since the tasks were written
    int64 update;          // of kernels/table.py
    double beta1;          // of Adam; the momentum of momentum
    double beta2;
    int64 nesterov;
};

enum : int64 { ROOM = 24 };  // tasks that a block holds in shared memory

// The optimizer at one step, for the parameters of one task.
struct Optimizer {
    struct Read {  // one parameter and its states
        REAL p, m, v;
    };
    REAL *p, *g, *m, *v;
    int kind, columns;
    REAL scale, s0, s1, s2, decay, beta1, rest1, beta2, rest2;
    bool nesterov;

    __device__ Optimizer(const Task& t, const Range& r, int64 step) {
        const double* s = r.scalars + 4 * (step - r.first);
        p = t.p, g = t.g, m = t.m, v = t.v;
        kind = r.update, columns = t.columns, nesterov = r.nesterov;
        scale = t.scale, s0 = s[0], s1 = s[1], s2 = s[2], decay = t.decay * s[3];
        beta1 = r.beta1, rest1 = 1 - r.beta1, beta2 = r.beta2, rest2 = 1 - r.beta2;
    }

    __device__ Read read(int64 e) const {
        Read old = {};
        if (kind != NONE) old.p = p[e];
        if (kind == MOMENTUM || kind == ADAM) old.m = m[e];
        if (kind == ADAM) old.v = v[e];
        return old;
    }

    // Parameter e has the gradient dp.
    __device__ void update(int64 e, REAL dp, Read old) const {
        if (kind == SGD) {
            p[e] = sgd(old.p, dp, s0, decay);
        } else if (kind == MOMENTUM) {
            p[e] = momentum(old.p, dp, old.m, beta1, s0, s1, nesterov, decay);
            m[e] = old.m;
        } else if (kind == ADAM) {
            p[e] = adam(
                old.p, dp, old.m, old.v, beta1, rest1, beta2, rest2, s0, s1, decay, s2);
            m[e] = old.m, v[e] = old.v;
        } else {
            g[e] = dp;
        }
    }

    // The end of a product xᵀ dy.
    __device__ Read read(int k, int j) const { return read((int64)k * columns + j); }
    __device__ void write(int k, int j, REAL sum, Read old) const {
        update((int64)k * columns + j, scale * sum, old);
    }
};

// The end of a product x W: y = chain(scale x W + b).
struct Up {
    typedef REAL Read;
    const Task& t;
    uint64 calls;

    __device__ REAL read(int, int j) const { return t.b ? t.b[j] : 0; }
    __device__ void write(int i, int j, REAL sum, REAL b) const {
        forward(t.chain, t.links, calls, i * t.columns + j, (REAL)t.scale * sum + b);
    }
};

// The end of a product dy Wᵀ: dx = chain'(dy Wᵀ).
struct Down {
    struct Read {};
    const Task& t;
    uint64 calls;

    __device__ Read read(int, int) const { return {}; }
    __device__ void write(int i, int k, REAL da, Read) const {
        int64 e = i * t.inner + k;
        t.dx[e] = backward(t.chain, t.links, calls, e, da);
    }
};

// A task as one block of the grid sees it.
struct Work {
    const Task& t;
    const Range& r;
    int64 step;
    int tile;
    uint64 calls;
    const int64* order;  // of the minibatch

    __device__ Work(const Task& task, const Range& range, int64 step, int tile)
        : t(task), r(range), step(step), tile(tile) {
        calls = range.calls + (step - range.first);
        order = range.order + step * range.height;
    }

    // Where the tile begins in a product of so many columns.
    __device__ int wide(int columns) const { return (columns + TILE - 1) / TILE; }
    __device__ int row0(int columns, int high) const { return tile / wide(columns) * high; }
    __device__ int column0(int columns) const { return tile % wide(columns) * TILE; }

    template <class T>
    __device__ void product_forward(const T* x, const int64* picked) const {
        const int rows = t.rows, inner = t.inner, columns = t.columns;
        Operand<T, LOW, true, true> left = {x, picked, rows, inner, row0(columns, LOW)};
        Operand<REAL, TILE, false, false> right = {t.w, nullptr, inner, columns, column0(columns)};
        product_tile<LOW>(left, right, rows, inner, columns, Up{t, calls});
    }

    __device__ void product_backward() const {
        const int rows = t.rows, inner = t.inner, columns = t.columns;
        Operand<REAL, LOW, true, false> left = {t.dy, nullptr, rows, columns, row0(inner, LOW)};
        Operand<REAL, TILE, true, false> right = {t.w, nullptr, inner, columns, column0(inner)};
        product_tile<LOW>(left, right, rows, columns, inner, Down{t, calls});
    }

    // W is updated with the gradient scale xᵀ dy
    template <bool PICKED, class T>
    __device__ void gradient(const T* x) const {
        const int rows = t.rows, inner = t.inner, columns = t.columns;
        Operand<T, TILE, false, PICKED> left = {x, order, rows, inner, row0(columns, TILE)};
        Operand<REAL, TILE, false, false> right = {t.dy, nullptr, rows, columns, column0(columns)};
        product_tile<TILE>(left, right, inner, rows, columns, Optimizer(t, r, step));
    }

    // b is updated with the gradient Σᵢ dy[i, :]
    __device__ void bias_gradient() const {
        int64 first = tile * 32, j = first + threadIdx.x;
        REAL sum = column_sum(t.dy, t.rows, t.columns, first);
        if (threadIdx.x >= 32 || j >= t.columns) return;
        Optimizer optimizer(t, r, step);
        optimizer.update(j, sum, optimizer.read(j));
    }

    // p is updated with the gradient g, which a library has computed
    __device__ void flat_update() const {
        Optimizer optimizer(t, r, step);
        int64 n = t.inner * t.columns, first = (int64)tile * ELEMENTS;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS && e < n; e += BLOCK)
            optimizer.update(e, optimizer.g[e], optimizer.read(e));
    }

    // y = chain(scale x + b), x (rows, columns) being the data, an activation or a product
    template <class T>
    __device__ void elements_forward(const T* x, const int64* picked) const {
        int64 n = t.rows * t.columns, first = (int64)tile * ELEMENTS;
        const uint32 columns = t.columns;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS && e < n; e += BLOCK) {
            uint32 i = (uint32)e / columns, j = (uint32)e % columns;
            REAL z = (REAL)t.scale * (REAL)x[(picked ? picked[i] : i) * (int64)columns + j];
            forward(t.chain, t.links, calls, e, z + (t.b ? t.b[j] : 0));
        }
    }

    // dx = chain'(dy), both (rows, columns)
    __device__ void elements_backward() const {
        int64 n = t.rows * t.columns, first = (int64)tile * ELEMENTS;
        for (int64 e = first + threadIdx.x; e < first + ELEMENTS && e < n; e += BLOCK)
            t.dx[e] = backward(t.chain, t.links, calls, e, t.dy[e]);
    }

    // The losses whose targets have the shape of the outputs: of one row, and for one element.
    __device__ REAL loss_of_targets(const REAL* z, const REAL* target, int64 m) const {
        switch (t.loss) {
            case SQUARED_ERROR: return squared_error(z, target, m);
            case BINARY_CROSS_ENTROPY: return binary_cross_entropy(z, target, m);
            case POISSON: return poisson(z, target, m);
            default: return perceptron(z, target, m);
        }
    }

    __device__ REAL loss_of_targets_backward(REAL weight, REAL z, REAL target) const {
        switch (t.loss) {
            case SQUARED_ERROR: return squared_error_backward(weight, z, target);
            case BINARY_CROSS_ENTROPY: return binary_cross_entropy_backward(weight, z, target);
            case POISSON: return poisson_backward(weight, z, target);
            default: return perceptron_backward(weight, z, target);
        }
    }

    // The loss of row `tile`, whose outputs are z, and its gradient dz.
    __device__ void row_loss(const REAL* z, REAL* dz) const {
        int64 row = step * r.height + tile, m = t.columns;
        int64 picked = order[tile];
        REAL weight = t.weight * (r.weights ? r.weights[row] : 1), loss;
        if (t.loss == CROSS_ENTROPY) {
            int64 label = r.labels[picked];
            Exponentials e = exponentials(z, m);
            loss = cross_entropy(e, z[label]);
            for (int64 j = threadIdx.x; j < m; j += BLOCK)
                dz[j] = cross_entropy_backward(weight, e, z[j], j == label);
        } else {
            const REAL* target = r.targets + picked * m;
            loss = loss_of_targets(z, target, m);
            for (int64 j = threadIdx.x; j < m; j += BLOCK)
                dz[j] = loss_of_targets_backward(weight, z[j], target[j]);
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
        const int m = t.columns, groups = BLOCK / m, group = threadIdx.x / m;
        const int j = threadIdx.x % m;
        REAL sum = 0;
        if (group < groups)
            for (int k = group; k < t.inner; k += groups) sum += (REAL)x[k] * t.w[k * m + j];
        sums[threadIdx.x] = sum;
        __syncthreads();
        if (threadIdx.x < m) {
            sum = 0;
            for (int g = 0; g < groups; g++) sum += sums[g * m + j];
            z[j] = (REAL)t.scale * sum + (t.b ? t.b[j] : 0);
            t.y[(int64)tile * m + j] = z[j];
        }
        __syncthreads();
        row_loss(z, dz);
        __syncthreads();
        if (threadIdx.x < m) t.dy[(int64)tile * m + j] = dz[j];
        if (t.dx)
            for (int k = threadIdx.x; k < t.inner; k += BLOCK) {
                REAL da = 0;
                for (int c = 0; c < m; c++) da += dz[c] * t.w[k * m + c];
                int64 e = tile * t.inner + k;
                t.dx[e] = backward(t.chain, t.links, calls, e, da);
            }
    }

    // A row of a softmax or maxout among the layers: x (rows, inner) to y (rows, columns).
    __device__ void row_forward() const {
        const REAL* z = t.x + tile * t.inner;
        REAL* a = t.y + tile * t.columns;
        switch (t.chain[0].kind) {
            case SOFTMAX: softmax(z, a, t.columns); break;
            case LOG_SOFTMAX: log_softmax(z, a, t.columns); break;
            default: {
                const int64 pieces = (int64)t.chain[0].scalar;
                for (int64 j = threadIdx.x; j < t.columns; j += BLOCK)
                    a[j] = maxout(z + j * pieces, pieces);
            }
        }
    }

    // dy (rows, columns) to dx (rows, inner), in place but for maxout
    __device__ void row_backward() const {
        const REAL *da = t.dy + tile * t.columns, *a = t.y + tile * t.columns;
        REAL* dz = t.dx + tile * t.inner;
        switch (t.chain[0].kind) {
            case SOFTMAX: softmax_backward(da, a, dz, t.columns); break;
            case LOG_SOFTMAX: log_softmax_backward(da, a, dz, t.columns); break;
            default: {
                const REAL* z = t.x + tile * t.inner;
                const int64 pieces = (int64)t.chain[0].scalar;
                for (int64 j = threadIdx.x; j < t.columns; j += BLOCK)
                    maxout_backward_z(da[j], z + j * pieces, dz + j * pieces, pieces);
            }
        }
    }

    template <class T>
    __device__ void run_on_data(const T* x) const {
        switch (t.kind) {
            case FORWARD: product_forward(x, order); break;
            case HEAD: head(x + order[tile] * t.inner); break;
            case GRADIENT: gradient<true>(x); break;
            case ELEMENTS_FORWARD: elements_forward(x, order); break;
        }
    }

    __device__ void run() const {
        if (t.from_data) {
            if (r.bytes) run_on_data(r.bytes);
            else run_on_data(r.values);
            return;
        }
        switch (t.kind) {
            case FORWARD: product_forward(t.x, nullptr); break;
            case HEAD: head(t.x + tile * t.inner); break;
            case GRADIENT: gradient<false>(t.x); break;
            case ELEMENTS_FORWARD: elements_forward(t.x, nullptr); break;
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

// Copy words of 8 bytes; they can be read after a barrier.
__device__ inline void copy_words(const void* from, void* to, int64 bytes) {
    for (int64 w = threadIdx.x; w < bytes / 8; w += BLOCK)
        ((uint64*)to)[w] = ((const uint64*)from)[w];
}

// One stage of a step: the blocks share the tiles of its tasks, always in the same way.
__device__ inline void run_stage(const Task* tasks, const Range& range, int64 step) {
    const int count = tasks->together;
    for (int tile = blockIdx.x;; tile += gridDim.x) {
        int rest = tile, n = 0;
        while (n < count && rest >= tasks[n].tiles) rest -= tasks[n++].tiles;
        if (n == count) return;
        Work(tasks[n], range, step, rest).run();
    }
}

// Wait for all blocks of the grid, which must all be running: until `arrived` has counted `goal`
// arrivals. It is never set back, so that nobody can miss it. The fences make what a block wrote
// visible to the others, as in cooperative_groups' grid.sync(). One thread of the block waits here;
// the others wait for it at the next __syncthreads(), which must come before they read anything.
__device__ inline void grid_barrier(uint64* arrived, uint64 goal) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        atomicAdd(arrived, 1);
        while (peek(arrived) < goal) pause();
        __threadfence();
    }
}

// Minibatches from range.now + ahead on: `times` full ones by `tasks`, and `last_times` of the last,
// smaller one by `last_tasks`. With a barrier, *arrived is 0 and all blocks run at the same time (a
// cooperative launch). Without, `arrived` is null and there is one stage to run: the next is a
// launch of its own. One kernel for both, since each would bring its own copy of all the tasks.
//
// Two blocks of 256 threads on a multiprocessor: 128 registers a thread.
extern "C" __global__ void __launch_bounds__(BLOCK, 2) steps_REAL(
    const Range* range, uint64* arrived, const Task* tasks, int64 count, int64 times,
    const Task* last_tasks, int64 last_count, int64 last_times, int64 ahead) {
    SHARED(Task, room, ROOM);  // each block reads them at each tile
    SHARED(Range, here, 1);
    copy_words(range, here, sizeof(Range));
    __syncthreads();
    int64 step = here->now + ahead;
    uint64 goal = 0;
    for (int half = 0; half < 2; half++) {
        const Task* from = half ? last_tasks : tasks;
        const int64 n = half ? last_count : count, repeats = half ? last_times : times;
        const bool all = n <= ROOM;  // else the tasks of one stage at a time
        if (all) copy_words(from, room, n * sizeof(Task));
        for (int64 k = 0; k < repeats; k++, step++)
            for (int64 stage = 0; stage < n; stage += from[stage].together) {
                if (!all) copy_words(from + stage, room, from[stage].together * sizeof(Task));
                __syncthreads();
                run_stage(room + (all ? stage : 0), here[0], step);
                if (arrived) goal += gridDim.x, GRID_BARRIER(arrived, goal);
            }
    }
}

// What follows the launches of so many minibatches.
extern "C" __global__ void tick_REAL(Range* range, int64 steps) {
    if (position() == 0) range->now += steps;
}
