"""Numba's kernels in both types, compiled and kept on disk: `python -m tests.support.warm_kernels`."""

import pcsim


def main() -> None:
    for precision in ("float64", "float32"):
        for form in ("standard", "increment"):
            overrides = ["inference.steps=1", f"inference.form={form}"]
            pcsim.run(pcsim.read_scenario("signal-decay", overrides, backend="numba", precision=precision)).close()
        overrides = ["learning.epochs=1"]
        pcsim.run(pcsim.read_scenario("train-digits-conv", overrides, backend="numba", precision=precision)).close()


if __name__ == "__main__":
    main()
