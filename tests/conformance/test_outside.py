"""The suite as somebody runs it on a backend of her own: from her folder, with her package beside pcsim."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "outside"
ENTRIES = "[pcsim.backends]\n" + "".join(
    f"{name.lower()} = pcsim_outside:{name}\n" for name in ("Outside", "Forgetful", "Boastful", "Curt")
)

OTHER_WORDS = "'{}' claims what it is asked for, and refuses it in words that its limits do not list:"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Install the package as pip leaves it, without pip: what its metadata says is found on the path."""
    metadata = tmp_path / "pcsim_outside-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pcsim-outside\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    return tmp_path


def examine(installed: Path, *arguments: str) -> tuple[int, str]:
    """Run the suite outside the checkout, without its settings."""
    path = os.pathsep.join([str(installed), str(HERE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "--pyargs", "pcsim.conformance", "-q", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(installed), *arguments]
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_backend_that_is_right_passes(installed: Path) -> None:
    code, said = examine(installed, "--backend", "outside", "-rs")
    assert code == 0, said
    assert "refused, as listed: outside has no inference.step_halving" in said
    assert "nothing that this suite asks for" not in said


@pytest.mark.parametrize(
    ("name", "tests", "words"),
    [
        ("forgetful", "long-skips", ["energy[row, layer", "numpy has"]),
        pytest.param(
            *("boastful", "flow", [OTHER_WORDS.format("boastful"), "has no solver 'tsit5'"]),
            marks=pytest.mark.exhaustive,
        ),
        ("curt", "halving", [OTHER_WORDS.format("curt"), "no\nlimits:\n- outside has no inference.step_halving"]),
    ],
)
def test_one_that_is_wrong_is_told_where(installed: Path, name: str, tests: str, words: list[str]) -> None:
    code, said = examine(installed, "--backend", name, "-x", "-k", tests)
    assert code == 1, said
    said = "\n".join(line.removeprefix("E").strip() for line in said.splitlines())
    for part in words:
        assert part in said


def test_the_backend_must_be_named(installed: Path) -> None:
    for arguments, words in (
        ((), "give the backend to test: pytest --pyargs pcsim.conformance --backend NAME"),
        (("--backend", "outsid"), "backend 'outsid' is not installed"),
    ):
        code, said = examine(installed, *arguments)
        assert code == pytest.ExitCode.USAGE_ERROR
        assert said.startswith(f"ERROR: {words}"), said
