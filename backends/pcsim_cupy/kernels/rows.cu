// Sums over the units of a block's row, in an order that depends on the number of threads alone.

#define MOST_THREADS 256

template <typename T> __device__ T *shared_row() {
    __shared__ T parts[MOST_THREADS];
    return parts;
}

template <typename T> __device__ T block_sum(T value) {
    T *parts = shared_row<T>();
    parts[threadIdx.x] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
        __syncthreads();
    }
    const T total = parts[0];
    __syncthreads();
    return total;
}

// What is no number stays on top, and makes the loss none.
__device__ inline acc block_max(acc value) {
    acc *parts = shared_row<acc>();
    parts[threadIdx.x] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && !(parts[threadIdx.x + half] <= parts[threadIdx.x]))
            parts[threadIdx.x] = parts[threadIdx.x + half];
        __syncthreads();
    }
    const acc top = parts[0];
    __syncthreads();
    return top;
}
