// Runs CUDA kernels on the CPU: blocks one after another, the threads of a block as coroutines.
//
// A thread runs until it reaches __syncthreads() and then yields to the next one; when all have
// arrived, each continues. Which thread goes first makes no difference to a correct kernel, so a
// missing barrier shows as a result that depends on the order (`backwards`) or is wrong. All of it
// happens on one CPU thread and is repeatable.
#include <math.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#define __global__
#define __device__
#define __shared__ static

struct Index {
    unsigned x;
};

static Index threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    bool finished;
};

static ucontext_t scheduler;
static std::vector<Thread> threads;
static const std::function<void()>* kernel;

static void body() {
    (*kernel)();
    threads[threadIdx.x].finished = true;
}

static void start(Thread& thread) {
    thread.finished = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &scheduler;  // where a finished thread goes
    makecontext(&thread.context, body, 0);
}

// Let every thread of the block run to its next barrier, or to its end. Returns how many wait.
static unsigned advance(unsigned count, bool backwards) {
    unsigned waiting = 0;
    for (unsigned k = 0; k < count; k++) {
        threadIdx.x = backwards ? count - 1 - k : k;
        swapcontext(&scheduler, &threads[threadIdx.x].context);
        waiting += !threads[threadIdx.x].finished;
    }
    return waiting;
}

// Returns false if some threads of a block wait at a barrier that others never reach.
static bool run(unsigned blocks, unsigned count, bool backwards, std::function<void()> call) {
    kernel = &call;
    if (threads.size() < count) threads = std::vector<Thread>(count);
    gridDim.x = blocks, blockDim.x = count;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        for (unsigned k = 0; k < count; k++) start(threads[k]);
        for (unsigned waiting = count; waiting > 0;) {
            waiting = advance(count, backwards);
            if (waiting != 0 && waiting != count) return false;
        }
    }
    return true;
}

}  // namespace shim

static void __syncthreads() {
    unsigned mine = threadIdx.x;
    swapcontext(&shim::threads[mine].context, &shim::scheduler);
}
