// One step of the variables: what is pulled back from above, the gradient, and the stepper.

enum { MOVES = 1, MEASURED = 2, THROUGH = 4, AT_ONCE = 8, FOLLOWED = 16, CHANGED = 32, LAST = 64 };

// Move the state by `delta`, and what the layer above reads by increments.
__device__ inline void change_state(const Net *net, int state, long long at, acc delta) {
    store(net->totals, at, delta);
    store(net->states, at, load(net->states, at) + delta);
    if (net->activation_first) {
        const acc change = rounded(incremented(net, entry(net, state + 1, ACTIVATION),
                                               scale(net, state + 1, NEGATIVE_SLOPE), at, delta, net->bends));
        store(net->inputs, at, accumulated(load(net->inputs, at), net->input_lows, at, change));
        store(net->pulled, at, change);
    }
}

// Move a variable, a state or (THROUGH the whole network) an error, along its gradient
//     γ ε − Σ pullbacks + δ s,
// or set the error AT_ONCE to what is pulled back. In the increment form states leave how far they CHANGED. Where what
// is below comes next, their errors are FOLLOWED. MEASURED gradients leave their squares; the LAST launch of a step ends
// it.
extern "C" __global__ void move(const Net *net, int from, int how) {
    const int state = from + blockIdx.y, n = entry(net, state, WIDTH), reader = entry(net, state, SKIP_READER);
    const long long at = place(net, state), above = reader == NOTHING ? 0 : place(net, reader);
    const acc gamma = scale(net, state, PRECISION), delta = scale(net, state, DECAY);
    const acc premultiplier = scale(net, state, PREMULTIPLIER);
    const acc above_gamma = reader == NOTHING ? 0 : is_output(net, reader) ? (acc)1 : scale(net, reader, PRECISION);
    double sum = 0;
    for (UNITS(k, n)) {
        const acc direct = reader == NOTHING    ? (acc)0
                           : how & THROUGH      ? load(net->totals, above + k)
                                                : rounded(above_gamma * load(net->errors, above + k));
        const acc decay = delta != 0 ? rounded(delta * load(net->states, at + k)) : (acc)0;
        acc total = load(net->pulled, at + k), error = load(net->errors, at + k), gradient;
        if (net->activation_first) total = rounded(total * load(net->bends, at + k));
        if (how & THROUGH || reader == state + 1) total = rounded(total + direct);
        if (how & THROUGH) {
            total = rounded(total - decay);
            gradient = rounded((how & AT_ONCE ? error : rounded(gamma * error)) - total);
        } else {
            gradient = rounded(rounded(gamma * error) - total);
            if (reader != state + 1) gradient = rounded(gradient - direct);
            gradient = rounded(gradient + decay);
        }
        sum += (double)gradient * (double)gradient;
        const acc slope = net->activation_first || !(how & (THROUGH | FOLLOWED)) ? (acc)1 : load(net->slopes, at + k);
        if (how & THROUGH) {
            store(net->totals, at + k, total);
            store(net->weighed, at + k, premultiplier * total * slope);
        }
        if (!(how & MOVES)) continue;
        const acc step = how & AT_ONCE ? (acc)0 : rounded(stepped(net, at + k, gradient));
        if (how & THROUGH) {
            error = how & AT_ONCE ? total : rounded(error + step);
        } else if (how & CHANGED) {
            change_state(net, state, at + k, step);
            error = rounded(error + step);
        } else {
            const acc value = rounded(load(net->states, at + k) + step);
            store(net->states, at + k, value);
            if (state + 1 >= (int)net->known) show(net, state, at + k, value);
            if (how & FOLLOWED) error = rounded(value - load(net->predictions, at + k));
        }
        // Where all states move at once, those below still read the errors: they are carried over afterwards.
        if (how & (THROUGH | FOLLOWED)) store(net->errors, at + k, error);
        if (how & FOLLOWED) store(net->weighed, at + k, premultiplier * (gamma * error) * slope);
    }
    if (how & MEASURED) {
        sum = block_sum(sum);
        if (threadIdx.x == 0) net->squares[row_place(net, net->clock[1] - 1, state)] = sum;
    }
    if (how & LAST && threadIdx.x == 0 && blockIdx.x == 0 && blockIdx.y == 0) net->clock[0] = net->clock[1];
}
