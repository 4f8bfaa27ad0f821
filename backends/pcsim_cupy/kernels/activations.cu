// Activation functions: the value, the derivative, and increments without cancellation (pcsim/model/activations.py).

__device__ inline acc normal_cdf(acc x) { return (acc)0.5 * erfc(-x * (acc)0.70710678118654752440); }

__device__ inline acc normal_density(acc x) { return exp((acc)-0.5 * x * x) * (acc)0.39894228040143267794; }

__device__ inline acc logistic(acc p) {
    const acc decayed = exp(-fabs(p));
    return (p >= 0 ? (acc)1 : decayed) / ((acc)1 + decayed);
}

__device__ inline acc activated(int activation, acc negative_slope, acc p, acc *slope) {
    switch (activation) {
    case TANH: {
        const acc value = tanh(p);
        *slope = (acc)1 - value * value;
        return value;
    }
    case SIGMOID: {
        const acc decayed = exp(-fabs(p)), total = (acc)1 + decayed;
        *slope = decayed / (total * total);
        return (p >= 0 ? (acc)1 : decayed) / total;
    }
    case RELU:
        *slope = p > 0 ? (acc)1 : (acc)0;
        return p < 0 ? (acc)0 : p;
    case LEAKY_RELU:
        *slope = p > 0 ? (acc)1 : negative_slope;
        return p > 0 ? p : negative_slope * p;
    case GELU: {
        const acc phi = normal_cdf(p);
        *slope = normal_density(p) * p + phi;
        return p * phi;
    }
    default:
        *slope = (acc)1;
        return p;
    }
}

// What an activation remembers of a point for the next increment.
__device__ inline acc anchored(int activation, acc p) {
    switch (activation) {
    case TANH:
        return exp((acc)-2 * fabs(p));
    case SIGMOID:
        return exp(-fabs(p));
    case GELU:
        return normal_cdf(-fabs(p));
    default:
        return 0;
    }
}

// Return total + d; `low` is what rounding keeps out of the sums (Kahan 1965).
__device__ inline acc accumulated(acc total, real *lows, long long k, acc d) {
    const acc low = rounded(load(lows, k) + d), after = rounded(total + low);
    store(lows, k, low - rounded(after - total));
    return after;
}

__device__ inline acc logistic_increment(acc p, acc q, acc below, acc above, acc u) {
    const acc larger = below > above ? below : above;
    const acc delta = u * (p * q > 0 ? larger : (acc)1);
    return delta / (((acc)1 + fabs(u)) * ((acc)1 + below) * ((acc)1 + above));
}

__device__ inline acc gelu_increment(acc p, acc q, acc d, acc below, acc above, acc there) {
    const acc nodes[4] = {(acc)0.06943184420297371, (acc)0.33000947820757187, (acc)0.6699905217924281,
                          (acc)0.9305681557970263};
    const acc shares[4] = {(acc)0.17392742256872693, (acc)0.32607257743127307, (acc)0.32607257743127307,
                           (acc)0.17392742256872693};
    const acc farther = fabs(p) > fabs(q) ? fabs(p) : fabs(q);
    if (fabs(d) * ((acc)1 + farther) <= (acc)0.15) {
        acc inside = 0;
        for (int k = 0; k < 4; k++) inside += shares[k] * normal_density(p + nodes[k] * d);
        return d * (there + p * inside);
    }
    const acc here = p > 0 ? (acc)1 - below : below;
    return p > 0 && q > 0 ? d * there + p * (below - above) : q * there - p * here;
}

// Return φ(p + d) − φ(p), and move the anchor at k and the slope there to p + d.
__device__ inline acc incremented(const Net *net, int activation, acc negative_slope, long long k, acc d,
                                  real *slopes) {
    if (activation == LINEAR) {
        store(slopes, k, (acc)1);
        return d;
    }
    const acc p = load(net->points, k), below = load(net->below, k);
    const acc q = accumulated(p, net->lows, k, d);
    store(net->points, k, q);
    const acc above = anchored(activation, q), total = (acc)1 + above;
    store(net->below, k, above);
    switch (activation) {
    case TANH:
        store(slopes, k, (acc)4 * above / (total * total));
        return (acc)4 * logistic_increment(p, q, below, above, tanh(d));
    case SIGMOID:
        store(slopes, k, above / (total * total));
        return (acc)2 * logistic_increment(p, q, below, above, tanh((acc)0.5 * d));
    case RELU: {
        const acc positive = p > 0 ? p : (acc)0, moved = d + (p - positive);
        store(slopes, k, q > 0 ? (acc)1 : (acc)0);
        return moved < -positive ? -positive : moved;
    }
    case LEAKY_RELU: {
        const acc falling = q > 0 ? d : negative_slope * q - p, rising = q > 0 ? q - negative_slope * p : negative_slope * d;
        store(slopes, k, q > 0 ? (acc)1 : negative_slope);
        return p > 0 ? falling : rising;
    }
    default: {
        const acc there = q > 0 ? (acc)1 - above : above;
        store(slopes, k, there + q * normal_density(q));
        return gelu_increment(p, q, d, below, above, there);
    }
    }
}
