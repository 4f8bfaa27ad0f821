// A run as the kernels see it. Every array of units lies layer after layer, a layer's samples one after another; the
// names and their order are those of FIELDS in buffers.py. A block of threads works on one sample of one layer.

struct Net {
    long long layers, batch, known, activation_first, loss, stepper, capacity;
    double share, step_size, keep, keep_squares, eps, decay;
    const int *table;      // a row a layer
    const double *scales;  // a row a layer
    const real *biases;
    const real *target;
    real *states;       // the output's last
    real *errors;       // likewise
    real *predictions;  // those that cannot change, and all where errors follow the states one by one
    real *products;     // what the weights make of the layer's input
    real *pulled;       // what the weights make of the errors above
    real *weighed;      // what the transposed weights multiply: γ a ε φ'
    real *slopes;       // φ' at the pre-activations of a layer (weights first)
    real *inputs;       // φ(s), and
    real *bends;        // φ'(s), by state (activation first)
    real *totals;       // −∂/∂s in error optimization; how far states move in the increment form
    real *first;        // what the stepper remembers
    real *second;
    real *points;  // anchors of the increment form, by layer (weights first) or state (activation first)
    real *lows;
    real *below;
    real *input_lows;
    real *output_low;
    double *energies;         // (capacity, layers, batch), a row a step
    double *squares;          // likewise: of the gradient's norms
    unsigned char *presence;  // likewise: whether any error is not zero
    long long *clock;         // the step that is looked at, and the one after it
    double *motion;           // of the step after it: scale, 1 − β₂ᵗ, and what the step size is divided by
};

// What there is to choose from is numbered as in pcsim/engine/lowering.py.
enum { WIDTH, PLACE, ACTIVATION, SKIP, SKIP_READER, BIAS, COLUMNS };
enum { PREMULTIPLIER, NEGATIVE_SLOPE, PRECISION, DECAY, SCALES };
enum { LINEAR, TANH, SIGMOID, RELU, LEAKY_RELU, GELU };
enum { SQUARED, CROSS_ENTROPY, BINARY };
enum { DESCENT, MOMENTUM, ADAM };
enum { NOTHING = -1 };

#define UNITS(k, n) int k = threadIdx.x; k < (n); k += blockDim.x

__device__ inline int entry(const Net *net, int layer, int column) { return net->table[layer * COLUMNS + column]; }

__device__ inline acc scale(const Net *net, int layer, int column) { return (acc)net->scales[layer * SCALES + column]; }

// Where the units of a sample of a layer begin.
__device__ inline long long place(const Net *net, int layer) {
    return net->batch * entry(net, layer, PLACE) + (long long)blockIdx.x * entry(net, layer, WIDTH);
}

// Where the number of a layer and the block's sample lies in the row of a step.
__device__ inline long long row_place(const Net *net, long long step, int layer) {
    return ((step % net->capacity) * net->layers + layer) * net->batch + blockIdx.x;
}

__device__ inline int is_output(const Net *net, int layer) { return layer == (int)net->layers - 1; }
