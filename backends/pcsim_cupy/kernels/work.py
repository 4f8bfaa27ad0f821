"""Products and kernels on the arrays of a batch, for all layers at once or for one."""

from pcsim.model.arrays import Array
from pcsim_cupy.kernels.buffers import Buffers
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.gemm import Product
from pcsim_cupy.kernels.plan import Group, Plan


class Work:
    """What a step is put together from; equal layers share a product, and all layers a launch."""

    def __init__(self, device: Device, plan: Plan, buffers: Buffers) -> None:
        self._device, self.plan, self.buffers = device, plan, buffers
        self._threads = device.threads(max(plan.widths))
        self._group_of = {i: g for g, group in enumerate(plan.groups) for i in group.layers}
        self._read = "inputs" if plan.activation_first else "states"

    def forward_all(self, lowest: int, source: str | None = None) -> None:
        """Multiply what layers from `lowest` up read by their weights; `source` names another array by state."""
        for g, group in enumerate(self.plan.groups):
            if group.first >= lowest:
                self._forward(group, self.buffers.weights[g], source)

    def forward(self, layer: int, source: str | None = None) -> None:
        """Multiply what one layer reads by its weights."""
        self._forward(*self._alone(layer), source)

    def back_all(self) -> None:
        """Pull what is weighed of every layer back to the state that it reads."""
        for g, group in enumerate(self.plan.groups):
            if group.first > 0:
                self._back(group, self.buffers.weights[g])

    def back(self, layer: int) -> None:
        """Pull what is weighed of one layer back to the state that it reads."""
        self._back(*self._alone(layer))

    def launch(self, kernel: str, how: int = 0, first: int = 0, count: int | None = None) -> None:
        """Run a kernel on `count` layers from `first` on, by default all that there are."""
        layers = self.plan.count - first if count is None else count
        if layers > 0:
            blocks = self.buffers.batch, layers
            self._device.launch(kernel, blocks, self._threads, self.buffers.net, first, how)

    def read(self, group: Group, source: str | None = None) -> Array:
        """Return what the layers of a group multiply by their weights, (count, batch, n_in)."""
        if group.first == 0:
            return self.buffers.arrays["x"].reshape(1, self.buffers.batch, group.n_in)
        return self.buffers.layers(source or self._read, group.first - 1, group.count)

    def _alone(self, layer: int) -> tuple[Group, Array]:
        g = self._group_of[layer]
        group = self.plan.groups[g]
        at = layer - group.first
        return Group(layer, 1, group.n_in, group.n_out), self.buffers.weights[g][at : at + 1]

    def _forward(self, group: Group, weights: Array, source: str | None) -> None:
        out = self.buffers.layers("products", group.first, group.count)
        product = Product(group.count, self.buffers.batch, group.n_out, group.n_in)
        self._device.product(product, self.read(group, source), weights, out)

    def _back(self, group: Group, weights: Array) -> None:
        weighed = self.buffers.layers("weighed", group.first, group.count)
        out = self.buffers.layers("pulled", group.first - 1, group.count)
        product = Product(group.count, self.buffers.batch, group.n_in, group.n_out, b_transposed=True)
        self._device.product(product, weighed, weights, out)
