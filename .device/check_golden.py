#!/usr/bin/env python3
"""Run the reference cases through `pcsim run` and compare layerwise energies, final states and gradients.

usage: check_golden.py [--cases DIR] [--backend NAME] [--precision P] [--tol T] [case ...]
Exit 0 if every case agrees: |a - b| <= tol * (|b| + 1e-3 * max|b|).
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np

# energies and states; parameter gradients (the standard form of SO loses small errors in float32: that is the subject)
TOL = {"float64": (1e-9, 1e-9), "float32": (1e-4, 2e-2), "bfloat16": (0.2, 1.0), "float16": (0.05, 1.0)}


def deviation(a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return float("inf")
    scale = np.abs(b) + 1e-3 * np.abs(b).max()
    return float(np.max(np.abs(a - b) / np.where(scale == 0, 1, scale))) if b.size else 0.0


def compare(trace, expected):
    pairs = {"energy": "energy"}
    for k in expected.files:
        if k.startswith("final_state_"):
            pairs[k] = f"final/states/layer_{k.rsplit('_', 1)[1]}"
        elif gradient := re.fullmatch(r"d([A-Za-z]+)(\d+)", k):
            pairs[k] = f"final/gradient/{gradient[1]}_{gradient[2]}"
    with h5py.File(trace, "r") as f:
        return {k: deviation(f[p][()] if p in f else np.nan * np.zeros(0), expected[k]) for k, p in pairs.items()}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--cases", default=pathlib.Path(__file__).parents[1] / "golden", type=pathlib.Path)
    ap.add_argument("--backend", default="numpy")
    ap.add_argument("--precision", default="float64")
    ap.add_argument("--tol", type=float)
    ap.add_argument("case", nargs="*")
    a = ap.parse_args()
    tol = (a.tol, a.tol) if a.tol else TOL.get(a.precision, (1e-9, 1e-9))
    pcsim = shutil.which("pcsim") or str(pathlib.Path(sys.executable).with_name("pcsim"))
    bad = 0
    for case in sorted(p for p in a.cases.iterdir() if (p / "scenario.toml").exists()):
        if a.case and case.name not in a.case:
            continue
        with tempfile.TemporaryDirectory() as tmp:
            out = pathlib.Path(tmp) / "t.h5"
            r = subprocess.run(
                [
                    pcsim,
                    "run",
                    str(case / "scenario.toml"),
                    "--backend",
                    a.backend,
                    "--precision",
                    a.precision,
                    "-o",
                    str(out),
                    "--quiet",
                ],
                capture_output=True,
                text=True,
            )
            if r.returncode:
                print(f"{case.name:28s} FAILED rc={r.returncode} {(r.stderr or r.stdout).strip().splitlines()[-1:]}")
                bad += 1
                continue
            dev = compare(out, np.load(case / "expected.npz"))
        excess = {k: v / tol[k.startswith("d")] for k, v in dev.items()}
        worst = max(excess, key=excess.get)
        ok = excess[worst] <= 1
        bad += not ok
        print(
            f"{case.name:28s} {'ok' if ok else 'DIFFERS'} worst {dev[worst]:.1e} ({worst}), energy {dev['energy']:.1e}"
        )
    print(f"{bad} case(s) differ" if bad else "all cases agree")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
