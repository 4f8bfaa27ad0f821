// Predictions from the products of weights and inputs, and the pass from the input up.

// Return the prediction of unit k of a layer, as it is stored, and the activation's slope (1 where that comes first).
__device__ inline acc predicted(const Net *net, int layer, int k, long long at, acc *slope) {
    acc value = load(net->products, at + k);
    const int bias = entry(net, layer, BIAS), skip = entry(net, layer, SKIP);
    if (bias != NOTHING) value = rounded(value + load(net->biases, bias + k));
    *slope = (acc)1;
    if (!net->activation_first)
        value = activated(entry(net, layer, ACTIVATION), scale(net, layer, NEGATIVE_SLOPE), value, slope);
    const acc premultiplier = scale(net, layer, PREMULTIPLIER);
    if (premultiplier != (acc)1) value = premultiplier * value;
    if (skip != NOTHING) value = rounded(value) + load(net->states, place(net, skip) + k);
    return rounded(value);
}

// Let the layer above read a state: with the activation first it multiplies φ(s).
__device__ inline void show(const Net *net, int state, long long at, acc value) {
    if (!net->activation_first) return;
    acc slope;
    store(net->inputs, at, activated(entry(net, state + 1, ACTIVATION), scale(net, state + 1, NEGATIVE_SLOPE), value, &slope));
    store(net->bends, at, slope);
}

enum { PERTURBED = 1, REMEMBERED = 2 };

// Set the states of a layer to its predictions, plus its errors where `how` says PERTURBED; with REMEMBERED predictions
// are kept. Those that are known (layers below `net->known`) are taken as they were kept.
extern "C" __global__ void predict(const Net *net, int from, int how) {
    const int layer = from + blockIdx.y, n = entry(net, layer, WIDTH);
    const long long at = place(net, layer);
    for (UNITS(k, n)) {
        acc value, slope;
        if (layer < (int)net->known && !(how & REMEMBERED)) {
            value = load(net->predictions, at + k);
        } else {
            value = predicted(net, layer, k, at, &slope);
            if (!net->activation_first) store(net->slopes, at + k, slope);
            if (how & REMEMBERED) store(net->predictions, at + k, value);
        }
        if (how & PERTURBED && !is_output(net, layer)) value = rounded(value + load(net->errors, at + k));
        store(net->states, at + k, value);
        if (!is_output(net, layer)) show(net, layer, at + k, value);
    }
}

// Let the layers above read states that the host has set.
extern "C" __global__ void expose(const Net *net, int from, int how) {
    (void)how;
    const int state = from + blockIdx.y, n = entry(net, state, WIDTH);
    const long long at = place(net, state);
    for (UNITS(k, n)) show(net, state, at + k, load(net->states, at + k));
}
