"""numpy as the core's array namespace, with convolutions in kernels."""

import threading
import weakref
from collections.abc import Callable

from pcsim_numpy.namespace import NumpyNamespace

from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window
from pcsim_numba import convolution
from pcsim_numba.convolution import NOTHING, Weights, plain
from pcsim_numba.gradients import Samples, gradient


class NumbaNamespace(NumpyNamespace):
    """The functions of `pcsim.model.arrays.Namespace` on numpy arrays; weights stay packed for as long as they live."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[tuple[Array, ...], Weights]] = {}
        self._lock = threading.Lock()

    def convolve(self, s: Array, kernel: Array, window: Window, /) -> Array:
        """Return what every window of the images makes."""
        places = window.places((s.shape[1], s.shape[2]))
        ending = plain((*places, kernel.shape[3]))
        return convolution.forward(s, self.packed(kernel, (), lambda: Weights(kernel)), window, ending)[0]

    def convolve_adjoint(self, v: Array, kernel: Array, window: Window, image: Image, /) -> Array:
        """Return the transpose of `convolve` applied to v."""
        ending, weights = plain(v.shape[1:]), self.packed(kernel, (), lambda: Weights(kernel))
        return convolution.backward(v, NOTHING.astype(v.dtype), weights, window, ending, image)

    def convolve_gradient(self, s: Array, v: Array, window: Window, /) -> Array:
        """Return the gradient with respect to the kernel, summed over the batch."""
        return gradient([Samples(s, v, NOTHING.astype(v.dtype))], window, plain(v.shape[1:]))[0]

    def packed(self, kernel: Array, others: tuple[Array, ...], make: Callable[[], Weights]) -> Weights:
        """Return weights made of a kernel and other arrays; nobody writes to these, so that they are packed once."""
        number = id(kernel)
        with self._lock:
            if number not in self._packed:
                weakref.finalize(kernel, self._packed.pop, number, None)
            known = self._packed.get(number)
            if known is None or tuple(map(id, known[0])) != tuple(map(id, others)):
                known = self._packed[number] = (others, make())
        return known[1]
