"""Mutations of scenario files: of letters, of lines, of values, and of what is named in them."""

import random
import re

SIGNS = (
    '"',
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    "#",
    "\\",
    "\r",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\xa0",
    "\ufeff",
    '"""',
    ",",
    ".",
    "\n",
)
VALUES = (
    "0",
    "-1",
    "1",
    "2",
    "3",
    "0.0",
    "-0.0",
    "1e-320",
    "1e308",
    "inf",
    "-inf",
    "nan",
    "9223372036854775807",
    "9223372036854775808",
    "1" + "0" * 30,
    "1" * 5000,
    "true",
    "false",
    '""',
    '"auto"',
    '"x"',
    '"\\u001b[31m"',
    "[]",
    "[[]]",
    "{}",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "[1, 2, 3]",
    '["energy", "energy"]',
    "[4, 1000000000000000000, 3]",
    "[" * 350 + "]" * 350,
    "[" * 60_000,
    "{ a = " * 90 + "1" + " }" * 90,
    '"' + "x" * 300_000 + '"',
    "[" + "1, " * 20_000 + "]",
    "[" + '"energy", ' * 20_000 + "]",
    "{ x = 1 }",
    "{ log = [1e-300, 1e300, 1000000000] }",
    '"numpy"',
    '"exact"',
    '"npz"',
    '"digits"',
    '"gaussian-line"',
    '"mnist"',
    '"~nouser/x"',
    '"/dev/zero"',
    '"/dev/stdin"',
    '"."',
    '"/proc/self/mem"',
    '"pipe"',
    '"loop.toml"',
    '"' + "y" * 5000 + '"',
    '"../../../etc/passwd"',
    '"a\\u0000b"',
)
KEYS = (
    "network.widths",
    "network.hidden",
    "network.input",
    "network.output",
    "network.activation",
    "network.skip",
    "network.init",
    "network.gain",
    "network.precisions",
    "network.weights",
    "network.order",
    "data.name",
    "data.file",
    "data.batch",
    "data.mask",
    "data.seed",
    "data.split",
    "data.samples",
    "inference.method",
    "inference.steps",
    "inference.step_size",
    "inference.solver",
    "inference.t_end",
    "inference.save_at",
    "inference.rtol",
    "inference.stop",
    "inference.noise",
    "inference.predictions",
    "inference.input",
    "inference.output",
    "trace.record",
    "trace.every",
    "backend.name",
    "backend.precision",
    "learning.rule",
    "learning.lr",
    "learning.epochs",
    "learning.batch",
    "learning.schedule",
    "learning.seeds",
    "sweep.network",
    "study.kind",
    "extends",
    "title",
    "seed",
    "a." * 3000 + "a",
)


def mutated(draw: random.Random, text: str) -> str:
    """Return a scenario that says something else, or nothing that can be read."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        lines = text.split("\n")
        at = draw.randrange(len(lines))
        match draw.randrange(8):
            case 0:
                lines[at] = re.sub(r"=.*", lambda _: f"= {draw.choice(VALUES)}", lines[at])
            case 1 | 2:
                table, _, key = draw.choice(KEYS).rpartition(".")
                lines += [f"[{table}]" if table else "", f"{key} = {draw.choice(VALUES)}"]
            case 3:
                table, _, key = draw.choice(KEYS).rpartition(".")
                if f"[{table}]" in lines:
                    lines.insert(lines.index(f"[{table}]") + 1, f"{key} = {draw.choice(VALUES)}")
                else:
                    lines.insert(0, f"{key} = {draw.choice(VALUES)}")
            case 4:
                place = draw.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + draw.choice(SIGNS) * draw.choice((1, 1, 3)) + lines[at][place:]
            case 5:
                del lines[at]
            case 6:
                lines.insert(at, draw.choice(lines))
            case _:
                place = draw.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + lines[at][place + 1 :]
        text = "\n".join(lines) or "\n"
    if draw.random() < 0.05:
        text = text.replace("\n", draw.choice(("\r", "\r\n", "\x0b")))
    return text


def override(draw: random.Random) -> str:
    """Return what may follow --set."""
    return f"{draw.choice(KEYS)}={draw.choice(VALUES)[:5000]}".replace("\0", "")
