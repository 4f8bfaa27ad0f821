// Output losses of a sample: the value, summed in float64, and the output error −∂ℓ/∂ŷ (pcsim/model/losses).

__device__ inline double squared_error(const Net *net, int n, const real *outputs, const real *target, real *errors) {
    double sum = 0;
    for (UNITS(k, n)) {
        const acc error = rounded(load(target, k) - load(outputs, k));
        sum += (double)error * (double)error;
        store(errors, k, net->share == 1.0 ? error : (acc)net->share * error);
    }
    return 0.5 * net->share * block_sum(sum);
}

__device__ inline double cross_entropy(int n, const real *outputs, const real *target, real *errors) {
    acc top = __uint_as_float(0xff800000u), raised = 0, labels = 0;
    double wide = 0, value = 0;
    for (UNITS(k, n)) {
        const acc output = load(outputs, k);
        if (!(output <= top)) top = output;
    }
    top = block_max(top);
    for (UNITS(k, n)) {
        const acc output = load(outputs, k);
        raised += exp(output - top);
        labels += load(target, k);
        wide += exp((double)output - (double)top);
    }
    raised = block_sum(raised);
    labels = block_sum(labels);
    const double log_norm = log(block_sum(wide));
    for (UNITS(k, n)) {
        const acc output = load(outputs, k), label = load(target, k);
        value += (double)label * (log_norm - ((double)output - (double)top));
        store(errors, k, label - labels * (exp(output - top) / raised));
    }
    return block_sum(value);
}

__device__ inline double binary_cross_entropy(int n, const real *outputs, const real *target, real *errors) {
    double value = 0;
    for (UNITS(k, n)) {
        const acc output = load(outputs, k), label = load(target, k);
        const double logit = (double)output;
        value += (logit > 0 ? logit : 0.0) + log1p(exp(-fabs(logit))) - (double)label * logit;
        store(errors, k, label - logistic(output));
    }
    return block_sum(value);
}

__device__ inline double output_loss(const Net *net, int n, const real *outputs, const real *target, real *errors) {
    if (net->loss == CROSS_ENTROPY) return cross_entropy(n, outputs, target, errors);
    if (net->loss == BINARY) return binary_cross_entropy(n, outputs, target, errors);
    return squared_error(net, n, outputs, target, errors);
}
