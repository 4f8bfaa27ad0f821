// What is seen at a step: errors, energies, and whether a signal has arrived.

enum { CARRIED = 1, KEPT = 2, QUIET = 4 };

// Form the error of one unit below the output, and return it; the output's prediction becomes its state.
__device__ inline acc formed(const Net *net, int layer, int k, long long at, int how, acc *slope) {
    acc value;
    if (layer < (int)net->known) {
        value = load(net->predictions, at + k);
        *slope = net->activation_first ? (acc)1 : load(net->slopes, at + k);
    } else {
        value = predicted(net, layer, k, at, slope);
        if (!net->activation_first && (how & KEPT || is_output(net, layer))) store(net->slopes, at + k, *slope);
        if (how & KEPT) store(net->predictions, at + k, value);
    }
    if (is_output(net, layer)) {
        store(net->states, at + k, value);
        return 0;
    }
    const acc error = rounded(load(net->states, at + k) - value);
    store(net->errors, at + k, error);
    return error;
}

// Form the errors s − ŝ from the products, or take them as they are CARRIED; set what is pulled back from them and, unless
// QUIET, the energies of the step. With KEPT predictions and slopes are stored.
extern "C" __global__ void look(const Net *net, int from, int how) {
    const int layer = from + blockIdx.y, n = entry(net, layer, WIDTH), output = is_output(net, layer);
    const long long at = place(net, layer);
    const acc gamma = output ? (acc)1 : scale(net, layer, PRECISION), premultiplier = scale(net, layer, PREMULTIPLIER);
    double sum = 0;
    int seen = 0;
    for (UNITS(k, n)) {
        acc slope = 1, error = 0;
        if (!(how & CARRIED)) {
            error = formed(net, layer, k, at, how, &slope);
        } else if (!output) {
            error = load(net->errors, at + k);
            if (!net->activation_first) slope = load(net->slopes, at + k);
        }
        if (output) continue;
        seen |= error != 0;
        sum += (double)error * (double)error;
        store(net->weighed, at + k, premultiplier * (gamma * error) * slope);
    }
    double energy = 0;
    if (output) {
        real *errors = net->errors + at;
        energy = output_loss(net, n, net->states + at, net->target + (long long)blockIdx.x * n, errors);
        for (UNITS(k, n)) {
            const acc error = load(errors, k);
            seen |= error != 0;
            sum += (double)error * (double)error;
            store(net->weighed, at + k,
                  premultiplier * error * (net->activation_first ? (acc)1 : load(net->slopes, at + k)));
        }
    }
    sum = block_sum(sum);
    if (!output) energy = 0.5 * (net->scales[layer * SCALES + PRECISION] * sum);
    seen = __syncthreads_or(seen);
    if (how & QUIET || threadIdx.x != 0) return;
    const long long row = row_place(net, net->clock[0], layer);
    net->energies[row] = energy;
    net->presence[row] = seen != 0;
    if (output) net->squares[row] = sum;
    if (blockIdx.x == 0 && blockIdx.y == 0) set_motion(net);
}
