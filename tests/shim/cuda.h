// Enough of CUDA for the kernels to run on the CPU: the threads of a block are fibres that take turns until all stand at
// a barrier; blocks run one after another. A barrier that not all threads reach ends the program: a GPU would hang.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else
#include <setjmp.h>
#endif

#define __global__
#define __device__
#define __shared__ static

using std::erfc, std::exp, std::fabs, std::log, std::log1p, std::pow, std::sqrt, std::tanh;

struct Dim3 {
    unsigned int x, y, z;
};

static Dim3 threadIdx, blockIdx, blockDim, gridDim;

static inline float __uint_as_float(unsigned int bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

namespace shim {

enum { MOST_FIBRES = 256, STACK = 64 * 1024 };

struct Fibre {
    ucontext_t context;
    char *stack;
    bool done;
#ifndef __SANITIZE_ADDRESS__
    jmp_buf place;
    bool begun;
#endif
};

static Fibre fibres[MOST_FIBRES];
static ucontext_t scheduler;
static unsigned int running;
static void (*body)();
static int votes, verdict;

// Between two contexts: swapcontext asks the kernel each time, jumps do not, but the sanitizer does not follow those.
#ifdef __SANITIZE_ADDRESS__
static const void *scheduler_bottom;
static size_t scheduler_size;

static void to_fibre(Fibre &fibre) {
    void *fake;
    __sanitizer_start_switch_fiber(&fake, fibre.stack, STACK);
    swapcontext(&scheduler, &fibre.context);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}

static void to_scheduler(Fibre &fibre) {
    void *fake;
    __sanitizer_start_switch_fiber(fibre.done ? nullptr : &fake, scheduler_bottom, scheduler_size);
    swapcontext(&fibre.context, &scheduler);
    __sanitizer_finish_switch_fiber(fake, &scheduler_bottom, &scheduler_size);
}
#else
static jmp_buf scheduler_place;

static void to_fibre(Fibre &fibre) {
    if (_setjmp(scheduler_place)) return;
    if (fibre.begun) _longjmp(fibre.place, 1);
    fibre.begun = true;
    swapcontext(&scheduler, &fibre.context);
}

static void to_scheduler(Fibre &fibre) {
    if (!_setjmp(fibre.place)) _longjmp(scheduler_place, 1);
}
#endif

static void entry() {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    body();
    fibres[running].done = true;
    to_scheduler(fibres[running]);
}

static void begin(Fibre &fibre) {
    if (!fibre.stack) fibre.stack = static_cast<char *>(malloc(STACK));
    fibre.done = false;
#ifndef __SANITIZE_ADDRESS__
    fibre.begun = false;
#endif
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = fibre.stack;
    fibre.context.uc_stack.ss_size = STACK;
    fibre.context.uc_link = nullptr;
    makecontext(&fibre.context, entry, 0);
}

// Let every thread run to the next barrier, or to its end; return whether they ended.
static bool round(bool reversed) {
    unsigned int ended = 0;
    for (unsigned int turn = 0; turn < blockDim.x; turn++) {
        running = reversed ? blockDim.x - 1 - turn : turn;
        threadIdx = {running, 0, 0};
        to_fibre(fibres[running]);
        ended += fibres[running].done;
    }
    if (ended != 0 && ended != blockDim.x) {
        fprintf(stderr, "shim: a barrier that not all threads of the block reach\n");
        abort();
    }
    verdict = votes;
    votes = 0;
    return ended != 0;
}

static void run_block(bool reversed) {
    for (unsigned int t = 0; t < blockDim.x; t++) begin(fibres[t]);
    while (!round(reversed)) {}
}

}  // namespace shim

static inline void __syncthreads() { shim::to_scheduler(shim::fibres[shim::running]); }

static inline int __syncthreads_or(int vote) {
    shim::votes |= vote;
    __syncthreads();
    return shim::verdict != 0;
}
