"""What a trace may be called: names that promise another format are refused."""

from pathlib import Path

from pcsim.errors import UsageError

TRACES = frozenset({".h5", ".hdf5", ".he5", ".nc"})
OTHERS = frozenset(
    {
        ".bz2",
        ".csv",
        ".gif",
        ".gz",
        ".html",
        ".ipynb",
        ".jpeg",
        ".jpg",
        ".json",
        ".mat",
        ".md",
        ".npy",
        ".npz",
        ".onnx",
        ".parquet",
        ".pdf",
        ".pickle",
        ".pkl",
        ".png",
        ".pt",
        ".pth",
        ".py",
        ".safetensors",
        ".svg",
        ".tar",
        ".toml",
        ".tsv",
        ".txt",
        ".xlsx",
        ".xml",
        ".yaml",
        ".yml",
        ".zarr",
        ".zip",
    }
)
"""Endings by which other programs know what they open; what else follows a dot is the user's own."""


def check_trace_name(path: Path) -> None:
    """Raise `UsageError` for a name with the ending of another format."""
    if path.suffix.lower() in OTHERS:
        raise UsageError(
            f"{path}: a trace is an HDF5 file; name it {path.with_suffix('.h5').name} (pcsim plot draws figures of it, "
            "pcsim export writes weights)"
        )


def check_folder_name(path: Path) -> None:
    """Raise `UsageError` for the name of a file where a folder is to be made."""
    if path.suffix.lower() in OTHERS | TRACES and not path.is_dir():
        raise UsageError(f"{path}: traces and figure go into a folder; name one, such as {path.with_suffix('').name}")
