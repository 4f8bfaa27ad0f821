// How far a variable moves along its gradient (pcsim/inference/steppers.py); what depends on the step alone is in `net->motion`.

__device__ inline acc stepped(const Net *net, long long k, acc gradient) {
    const acc scale = (acc)net->motion[0], whole = (acc)net->motion[1], slowed = (acc)net->motion[2];
    if (net->stepper == DESCENT) return scale * gradient / slowed;
    if (net->stepper == MOMENTUM) {
        const acc velocity = rounded((acc)net->keep * load(net->first, k) + gradient);
        store(net->first, k, velocity);
        return scale * velocity / slowed;
    }
    const acc keep = (acc)net->keep, share = (acc)(1.0 - net->keep);
    const acc keep_squares = (acc)net->keep_squares, share_squares = (acc)(1.0 - net->keep_squares);
    const acc first = rounded(keep * load(net->first, k) + share * gradient);
    const acc second = rounded(keep_squares * load(net->second, k) + share_squares * gradient * gradient);
    store(net->first, k, first);
    store(net->second, k, second);
    return scale * first / (sqrt(second / whole) + (acc)net->eps) / slowed;
}

// Set what the step after the one looked at needs to know; one thread does it for all.
__device__ inline void set_motion(const Net *net) {
    const long long step = net->clock[0] + 1;
    const int adam = net->stepper == ADAM;
    net->clock[1] = step;
    net->motion[0] = adam ? -net->step_size / (1.0 - pow(net->keep, (double)step)) : -net->step_size;
    net->motion[1] = adam ? 1.0 - pow(net->keep_squares, (double)step) : 1.0;
    net->motion[2] = 1.0 + net->decay * (double)(step - 1);
}

// End a step of a network that has no states to move.
extern "C" __global__ void tick(const Net *net, int from, int how) {
    (void)from, (void)how;
    if (threadIdx.x == 0) net->clock[0] = net->clock[1];
}
