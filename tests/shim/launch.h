// What Python calls: a kernel by its address, on a grid of (x, y) blocks. `reversed` turns the order of threads and
// blocks round, which may change nothing.
#pragma once

typedef void Kernel(const Net *, int, int);

static Kernel *kernel;
static const Net *argument;
static int argument_from, argument_how;

extern "C" void shim_launch(Kernel *called, unsigned int x, unsigned int y, unsigned int threads, const Net *net, int from,
                            int how, int reversed) {
    kernel = called, argument = net, argument_from = from, argument_how = how;
    shim::body = [] { kernel(argument, argument_from, argument_how); };
    gridDim = {x, y, 1};
    blockDim = {threads, 1, 1};
    for (unsigned int block = 0; block < x * y; block++) {
        const unsigned int b = reversed ? x * y - 1 - block : block;
        blockIdx = {b % x, b / x, 0};
        shim::run_block(reversed != 0);
    }
}
