// Runs CUDA kernels on the CPU, each thread of a GPU being a coroutine.
//
// A thread runs until it waits, at __syncthreads() or in a spin loop, and then yields to the next
// one. Blocks run one after another, or all together where the launch is cooperative. Which thread
// goes first makes no difference to a correct kernel, so a missing barrier shows as a result that
// depends on the order (`backwards`) or is wrong. All of it happens on one CPU thread and is
// repeatable.
//
// Under ThreadSanitizer (-fsanitize=thread) each coroutine is a thread of its own in its eyes, and
// only what orders the threads of a GPU orders them, so that it reports a race whether or not the
// result came out right. Each barrier and fence can be removed while the program runs, to see that.
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#else
static inline void* __tsan_get_current_fiber() { return nullptr; }
static inline void* __tsan_create_fiber(unsigned) { return nullptr; }
static inline void __tsan_destroy_fiber(void*) {}
static inline void __tsan_switch_to_fiber(void*, unsigned) {}
static inline void __tsan_acquire(void*) {}
static inline void __tsan_release(void*) {}
#endif

// What the shim itself does is no business of ThreadSanitizer's.
#define UNSEEN __attribute__((no_sanitize("thread"))) static

#define HOST_SHIM
#define __global__
#define __device__
#define __launch_bounds__(...)
#define __noinline__ __attribute__((noinline))

struct Index {
    unsigned x;
};

static Index threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

constexpr unsigned SLOTS = 16;             // the most blocks that can be alive at once
constexpr unsigned THREADS = 1024;         // the most threads of a block, as on a GPU
constexpr size_t SHARED_SIZE = 1 << 20;    // a block's shared memory, for all kernels together
constexpr size_t STACK_SIZE = 1 << 18;     // ThreadSanitizer writes its reports on it, too
constexpr unsigned PATIENCE = 1000;        // rounds in which nobody does anything but pause
constexpr unsigned SYNC = 0, NO_SYNC = 1;  // does a switch of fibers order what they do?

enum State { RUNNING, WAITING, FINISHED };

struct Thread {
    ucontext_t context;
    jmp_buf place;
    bool begun;
    void* stack;
    void* fiber;
    State state;
};

// Where a block lives. Block b has slot b % SLOTS, whose threads and memory serve one block after
// the other; so ThreadSanitizer misses a race between blocks that are a multiple of SLOTS apart.
struct Slot {
    Thread* threads[THREADS];  // those that were ever needed
    unsigned phase;            // counts barriers, and the end of a block as one
    char sync[2];              // of barriers in turn: one may be left while the next is reached
    alignas(64) char shared[SHARED_SIZE];
};

static Slot slots[SLOTS];
static Slot* home;       // of the block that runs now
static Thread* current;  // the thread that runs now
static ucontext_t scheduler;
static jmp_buf scheduler_place;
static void* host;  // the scheduler's fiber
static void (*kernel)(const void*);
static const void* arguments;
static size_t shared_used;
static char fences;

static struct {
    char file[256];
    int line;
} removed;

UNSEEN bool is_removed(const char* file, int line) {
    return line == removed.line && strcmp(file, removed.file) == 0;
}

// From a thread back to the scheduler, and from the scheduler to the current thread. A context
// switch costs two system calls, so it only begins a thread; a jump then goes on with it.
// ThreadSanitizer follows contexts, not jumps.
#ifdef __SANITIZE_THREAD__
UNSEEN void yield() {
    __tsan_switch_to_fiber(host, NO_SYNC);
    swapcontext(&current->context, &scheduler);
}

UNSEEN void resume() {
    __tsan_switch_to_fiber(current->fiber, NO_SYNC);
    swapcontext(&scheduler, &current->context);
}
#else
UNSEEN void yield() {
    if (!_setjmp(current->place)) _longjmp(scheduler_place, 1);
}

UNSEEN void resume() {
    if (_setjmp(scheduler_place)) return;
    if (current->begun) _longjmp(current->place, 1);
    current->begun = true;
    setcontext(&current->context);
}
#endif

UNSEEN void barrier(const char* file, int line) {
    if (is_removed(file, line)) return;
    char* sync = &home->sync[home->phase % 2];
    __tsan_release(sync);
    current->state = WAITING;
    yield();
    __tsan_acquire(sync);
}

UNSEEN void fence(const char* file, int line) {
    if (is_removed(file, line)) return;
    __tsan_acquire(&fences);
    __tsan_release(&fences);
}

// The life of a coroutine: one kernel after another.
UNSEEN void body() {
    while (true) {
        __tsan_acquire(&home->sync[(home->phase - 1) % 2]);
        kernel(arguments);
        __tsan_release(&home->sync[home->phase % 2]);
        current->state = FINISHED;
        yield();
    }
}

// Shared memory of a GPU is not cleared: fill a slot's with what reads as NaN. `volatile` keeps the
// compiler from calling memset, which ThreadSanitizer would see. Places are multiples of 64.
UNSEEN void fill(Slot& slot, size_t from, size_t to) {
    for (; from < to; from += 8) *(volatile long long*)&slot.shared[from] = -1;
}

// The address, in this block's shared memory, of what is declared in one place of the source.
UNSEEN void* shared(size_t& end, size_t bytes) {
    if (end == 0) {
        size_t from = shared_used;
        end = shared_used += (bytes + 63) / 64 * 64;
        if (end > SHARED_SIZE) abort();
        for (Slot& slot : slots) fill(slot, from, end);
    }
    return &home->shared[end - (bytes + 63) / 64 * 64];
}

UNSEEN void add_threads(Slot& slot, unsigned count) {
    for (unsigned k = 0; k < count; k++) {
        if (slot.threads[k]) continue;
        Thread* thread = slot.threads[k] = new Thread();
        thread->stack = malloc(STACK_SIZE), thread->fiber = __tsan_create_fiber(0);
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = STACK_SIZE;
        makecontext(&thread->context, body, 0);
    }
}

UNSEEN void drop_threads(Slot& slot) {
    for (Thread*& thread : slot.threads) {
        if (!thread) continue;
        __tsan_destroy_fiber(thread->fiber), free(thread->stack);
        delete thread, thread = nullptr;
    }
}

UNSEEN void start_block(unsigned block, unsigned count) {
    Slot& slot = slots[block % SLOTS];
    slot.phase++;
    fill(slot, 0, shared_used);
    for (unsigned k = 0; k < count; k++) slot.threads[k]->state = RUNNING;
}

// What the host has done comes before what the threads do next, and what they have done before
// what the host does next.
UNSEEN void meet_host(unsigned blocks, unsigned count) {
    for (unsigned s = 0; s < blocks && s < SLOTS; s++)
        for (unsigned k = 0; k < count; k++) {
            __tsan_switch_to_fiber(slots[s].threads[k]->fiber, SYNC);
            __tsan_switch_to_fiber(host, SYNC);
        }
}

UNSEEN unsigned number(unsigned count, State state) {
    unsigned found = 0;
    for (unsigned k = 0; k < count; k++) found += home->threads[k]->state == state;
    return found;
}

// Let each thread of a block run until it waits or ends. Returns whether any did more than pause.
UNSEEN bool advance(unsigned block, unsigned count, bool backwards) {
    bool moved = false;
    home = &slots[block % SLOTS], blockIdx.x = block;
    for (unsigned k = 0; k < count; k++) {
        threadIdx.x = backwards ? count - 1 - k : k;
        current = home->threads[threadIdx.x];
        if (current->state != RUNNING) continue;
        resume();
        moved |= current->state != RUNNING;
    }
    if (moved && number(count, WAITING) == count) {  // all have arrived: open the barrier
        home->phase++;
        for (unsigned k = 0; k < count; k++) home->threads[k]->state = RUNNING;
    }
    return moved;
}

// Run blocks first, first + 1, ... together. Returns false if threads wait for ever: at a barrier
// that others of their block never reach, or in a spin loop.
UNSEEN bool run_together(unsigned first, unsigned blocks, unsigned count, bool backwards) {
    for (unsigned b = 0; b < blocks; b++) start_block(first + b, count);
    for (unsigned idle = 0; idle < PATIENCE; idle++) {
        unsigned finished = 0;
        for (unsigned b = 0; b < blocks; b++) {
            unsigned block = first + (backwards ? blocks - 1 - b : b);
            if (advance(block, count, backwards)) idle = 0;
            finished += number(count, FINISHED);
        }
        if (finished == blocks * count) return true;
    }
    return false;
}

// Launch the kernel. Returns what went wrong, or nullptr.
UNSEEN const char* launch(unsigned blocks, unsigned count, bool backwards, bool together) {
    if (count > THREADS) return "too many threads in a block";
    if (together && blocks > SLOTS) return "too many blocks together for the shim";
    host = __tsan_get_current_fiber();
    gridDim.x = blocks, blockDim.x = count;
    for (unsigned s = 0; s < blocks && s < SLOTS; s++) add_threads(slots[s], count);
    meet_host(blocks, count);
    bool done = true;
    if (together) done = run_together(0, blocks, count, backwards);
    for (unsigned b = 0; b < blocks && done && !together; b++)
        done = run_together(backwards ? blocks - 1 - b : b, 1, count, backwards);
    meet_host(blocks, count);
    if (done) return nullptr;
    for (Slot& slot : slots) drop_threads(slot);  // they are stuck in this kernel
    return "threads wait for others that never come";
}

template <class Call>
const char* run(unsigned blocks, unsigned count, bool backwards, bool together, const Call& call) {
    kernel = [](const void* it) { (*(const Call*)it)(); }, arguments = &call;
    return launch(blocks, count, backwards, together);
}

}  // namespace shim

// Turn off the barrier or fence at one place of the sources, and turn the last one on again.
extern "C" void remove_barrier(const char* file, int line) {
    strncpy(shim::removed.file, file, sizeof(shim::removed.file) - 1), shim::removed.line = line;
}

// CUDA's words.

#define __syncthreads() shim::barrier(__FILE__, __LINE__)
#define __threadfence() shim::fence(__FILE__, __LINE__)

// Atomic, but as on a GPU ordering nothing else: that is for the fences.
static unsigned long long atomicAdd(unsigned long long* p, unsigned long long value) {
    return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
}

// The words of _common.cu.

#define SHARED(T, name, n)      \
    static size_t name##_place; \
    T(&name)[n] = *(T(*)[n])shim::shared(name##_place, sizeof(T[n]))

#define GRID_BARRIER(...) \
    (shim::is_removed(__FILE__, __LINE__) ? (void)0 : grid_barrier(__VA_ARGS__))

#define pause() shim::yield()

static unsigned long long peek(const unsigned long long* p) {
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
