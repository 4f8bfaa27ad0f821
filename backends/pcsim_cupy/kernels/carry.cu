// The increment form: errors move by what the states did, less what the predictions did.

// Set the anchors of a layer above the first at the states.
extern "C" __global__ void anchor(const Net *net, int from, int how) {
    (void)how;
    const int layer = from + blockIdx.y, activation = entry(net, layer, ACTIVATION);
    const int owner = net->activation_first ? layer - 1 : layer, n = entry(net, owner, WIDTH);
    const long long at = place(net, owner);
    const int bias = entry(net, layer, BIAS);
    for (UNITS(k, n)) {
        acc point = net->activation_first ? load(net->states, at + k) : load(net->products, at + k);
        if (!net->activation_first && bias != NOTHING) point = rounded(point + load(net->biases, bias + k));
        store(net->points, at + k, point);
        store(net->below, at + k, anchored(activation, point));
        store(net->lows, at + k, 0);
        if (net->activation_first) store(net->input_lows, at + k, 0);
    }
}

enum { SOURCE_MOVED = 1, SKIP_MOVED = 2, OWN_MOVED = 4 };

// Take the change of the states that a layer reads, and of its own, over to its error, or to the output.
extern "C" __global__ void carry(const Net *net, int from, int how) {
    const int layer = from + blockIdx.y, n = entry(net, layer, WIDTH), skip = entry(net, layer, SKIP);
    const long long at = place(net, layer);
    const acc premultiplier = scale(net, layer, PREMULTIPLIER);
    for (UNITS(k, n)) {
        acc change = 0;
        if (how & SOURCE_MOVED && layer > 0) {
            change = load(net->products, at + k);
            if (!net->activation_first)
                change = rounded(incremented(net, entry(net, layer, ACTIVATION), scale(net, layer, NEGATIVE_SLOPE),
                                             at + k, change, net->slopes));
            change = rounded(premultiplier * change);
        }
        if (how & SKIP_MOVED && skip != NOTHING) change = rounded(change + load(net->totals, place(net, skip) + k));
        if (is_output(net, layer)) {
            const long long low = (long long)blockIdx.x * n + k;
            store(net->states, at + k, accumulated(load(net->states, at + k), net->output_low, low, change));
        } else {
            const acc own = how & OWN_MOVED ? load(net->totals, at + k) : (acc)0;
            store(net->errors, at + k, rounded(load(net->errors, at + k) + own) - change);
        }
    }
}
