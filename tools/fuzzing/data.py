"""Mutations of bytes, archives and paths: what damage, and a stranger who knows the formats, can do to a file."""

import io
import json
import os
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

EXTREMES = (0, 1, 2, 127, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (
    "",
    "x",
    "\x00",
    "a" * 70_000,
    "\x1b]0;t\x07[red]\u202e",
    "../../x",
    "/dev/zero",
    "~nouser/x",
    "\udcff",
    "W0",
    "1e999",
)


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Return bytes as a bad disk, a broken copy or chance leaves them."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        size = len(data)
        start = draw.randrange(size) if size else 0
        match draw.randrange(8):
            case 0:
                for _ in range(draw.choice((1, 3, 20))):
                    if size:
                        data[draw.randrange(size)] ^= 1 << draw.randrange(8)
            case 1:
                length = draw.choice((16, 64, 512, 4096))
                start -= start % length
                data[start : start + length] = bytes(len(data[start : start + length]))
            case 2:
                del data[start:]
            case 3:
                data[start : start + 8] = draw.choice(EXTREMES).to_bytes(8, draw.choice(("little", "big")))
            case 4:
                data[start : start + draw.choice((1, 2, 4, 64))] = draw.randbytes(draw.choice((1, 2, 4, 64)))
            case 5:
                piece = data[start : start + draw.choice((8, 64, 512))]
                at = draw.randrange(size + 1)
                data[at : at + draw.choice((0, len(piece)))] = piece
            case 6:
                data[start : start + 16] = b"\xff" * 16
            case _:
                data += draw.randbytes(draw.choice((1, 100, 5000)))
    return bytes(data)


def archive(draw: random.Random, content: bytes) -> bytes:
    """Return an .npz with another member: headers that lie, objects, bombs, foreign names."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = draw.choice(list(members))
    match draw.randrange(8):
        case 0:
            shape = tuple(draw.choice(EXTREMES) for _ in range(draw.choice((1, 2, 3, 40))))
            members[name] = header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}") + bytes(80)
        case 1:
            kind = draw.choice(("|O", "<U9999999", "|V16", "<c16", "<M8[s]", "|b1", "<i8", "<f2", "|S0", "bad"))
            members[name] = header(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (3,), }}") + bytes(80)
        case 2:
            members[name] = header(draw.choice(("{", "[" * 900, "None", "{'descr': 1}", "(" * 60_000)))
        case 3:
            shape = (draw.choice((1, 4)), 60_000_000)
            members[name] = header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}") + bytes(2**24)
        case 4:
            members[draw.choice(WORDS)[:2000]] = members.pop(name)
        case 5:
            del members[name]
        case 6:
            members |= {f"x{number}": members[name] for number in range(3000)}
        case _:
            members[name] = damaged(draw, members[name])
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as target:
        for each, data in members.items():
            target.writestr(zipfile.ZipInfo(each.encode(errors="replace").decode()), data)
    return made.getvalue()


def header(text: str) -> bytes:
    """Return the head of an array in numpy's format."""
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text.encode()


def checkpoint(draw: random.Random, content: bytes) -> bytes:
    """Return a checkpoint whose head says something else."""
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        members = {name: source.read(name) for name in source.namelist()}
    head = json.loads(members["checkpoint.json"])
    table = draw.choice((head, head["origin"], head["numbers"]))
    key = draw.choice(list(table))
    table[key] = draw.choice((None, -1, 2**70, 1e308, [], {}, "x" * 99_999, "[" * 9999, True))
    members["checkpoint.json"] = json.dumps(head).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for each, data in members.items():
            target.writestr(each, data)
    return made.getvalue()


def tensors(draw: random.Random, content: bytes) -> bytes:
    """Return a .safetensors file whose head lies."""
    (size,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + size])
    each = head[draw.choice(list(head))]
    if "shape" in each and draw.random() < 0.5:
        each["shape"] = [draw.choice(EXTREMES) for _ in range(draw.choice((1, 2, 30)))]
    else:
        each[draw.choice(("dtype", "data_offsets", "x"))] = draw.choice(("F64", "C64", [0, 2**60], [8, 0], "x" * 9999))
    text = json.dumps(head).encode()
    return struct.pack("<Q", draw.choice((len(text), len(text), 2**63))) + text + content[8 + size :]


def journal(draw: random.Random, content: bytes) -> bytes:
    """Return the journal of a trace in which a line says something else, its checksum right."""
    lines = content.splitlines()
    at = draw.randrange(len(lines))
    line = json.loads(lines[at][9:])
    holder: Any = line
    while True:
        key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not (isinstance(holder[key], dict | list) and holder[key] and draw.random() < 0.9):
            break
        holder = holder[key]
    holder[key] = draw.choice((*EXTREMES, -1, None, "x", [], {}, [2**40, 2**40], "x" * 9999, 1e300))
    text = json.dumps(line, separators=(",", ":")).encode()
    lines[at] = b"%08x %b" % (zlib.crc32(text), text)
    return b"\n".join(lines) + b"\n"


def images(draw: random.Random, content: bytes) -> bytes:
    """Return an IDX file with other sizes, perhaps compressed many times over."""
    data = bytearray(content)
    at = 4 * draw.randrange(4)
    data[at : at + 4] = struct.pack(">I", draw.choice((0, 1, 10**9, 2**31, 2**32 - 1)))
    if draw.random() < 0.3:
        pack = zlib.compressobj(wbits=31)
        return pack.compress(bytes(data) + bytes(draw.choice((0, 2**28)))) + pack.flush()
    return bytes(data)


def unusual(draw: random.Random, path: Path, *, pipe: bool) -> None:
    """Put something at a path that is no regular file of its own."""
    path.unlink()
    match draw.randrange(7):
        case 0 if pipe:
            os.mkfifo(path)
        case 1:
            path.symlink_to("/dev/zero")
        case 2:
            path.symlink_to("/dev/tty")
        case 3:
            path.mkdir()
        case 4:
            path.symlink_to(path)
        case 5:
            path.touch()
        case _:
            path.symlink_to("/proc/self/mem")
