"""Small files that would take much: `python tests/faults/bombs.py` feeds each to its reader, with little memory.

Prints a line of JSON for each: what the reader said.
"""

from __future__ import annotations

import gzip
import io
import json
import resource
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import fuzz

import minigrad as mg

SPARE = 200_000_000  # bytes


def zipped(pickled: bytes, storage: bytes = b"", compression: int = zipfile.ZIP_STORED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", storage)
    return whole.getvalue()


def tensor_pickle(count: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A pickle that asks for a tensor of a storage of `count` numbers."""
    from minigrad.serialize.pickle_writer import plain, refer

    storage = (
        b"(" + plain("storage") + refer("torch", "FloatStorage") + plain("0") + plain("cpu") + plain(count) + b"tQ"
    )
    geometry = plain(0) + plain(size) + plain(stride) + plain(False)
    call = refer("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + geometry + b"}tR"
    return b"\x80\x02" + call + b"."


def copies(times: int) -> bytes:
    """A pickle that makes a bytearray of the same megabyte again and again."""
    megabyte = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"q\x00"
    one = b"cbuiltins\nbytearray\nh\x00\x85R"
    return b"\x80\x03](" + megabyte + one * times + b"e."


def nested_key(depth: int, wide: bool) -> bytes:
    """A pickle of a dict whose key is a tuple of tuples; `wide`: of twice the same, so that it has 2^depth parts."""
    return b"\x80\x02})" + (b"q\x00h\x00\x86" if wide else b"\x85") * depth + b"K\x01s."


def png(width: int, height: int) -> bytes:
    """A PNG of black pixels, in some bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def idx_bomb(claimed: int, zeros: int) -> bytes:
    return gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">i", claimed) + bytes(zeros))


def lying_zip() -> bytes:
    """An archive that says a member has a terabyte."""
    content = bytearray(zipped(tensor_pickle(2**38, (2**38,), (1,)), bytes(64)))
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/0"))
    content[at + 20 : at + 28] = struct.pack("<II", 2**32 - 2, 2**32 - 2)
    return bytes(content)


def large_member() -> bytes:
    whole = io.BytesIO()
    member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    member.size = 2**40
    whole.write(member.tobuf())
    return gzip.compress(whole.getvalue() + bytes(1024))


def linked_member(target: str) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    return whole.getvalue()


FRACTION = b"\x80\x02cfractions\nFraction\nX\x09\x00\x00\x001e9999999\x85R."
BOMBS = {
    "tensor of 2^60 elements": ("load", lambda: zipped(tensor_pickle(2**60, (2**60,), (1,)), bytes(8))),
    "tensor that reaches beyond": ("load", lambda: zipped(tensor_pickle(2, (2**40,), (1,)), bytes(8))),
    "tensor of one element, 2^60 times": ("load", lambda: zipped(tensor_pickle(1, (2**30, 2**30), (0, 0)), bytes(4))),
    "zip of 64 MB in 64 KB": (
        "load",
        lambda: zipped(tensor_pickle(2**28, (2**28,), (1,)), bytes(2**26), zipfile.ZIP_DEFLATED),
    ),
    "zip that says a terabyte": ("load", lying_zip),
    "pickle that copies": ("load", lambda: zipped(copies(10_000))),
    "pickle with a deep key": ("load", lambda: zipped(nested_key(1_000_000, False))),
    "pickle with a wide key": ("load", lambda: zipped(nested_key(60, True))),
    "fraction of a million digits": ("load", lambda: zipped(FRACTION)),
    "name of several lines": ("load", lambda: zipped(b"\x80\x04\x8c\x05os\n\n\x1b\x8c\x06system\x93.")),
    "IDX that says 2 GB": ("idx", lambda: idx_bomb(2**31 - 1, 100)),
    "IDX of 256 MB": ("idx", lambda: idx_bomb(100, 2**28)),
    "picture of 3 GB": ("picture", lambda: png(32_000, 32_000)),
    "picture of 400 MB": ("picture", lambda: png(12_000, 12_000)),
    "archive of a member that is too large": ("cifar_archive", large_member),
    "archive of a link": ("cifar_archive", lambda: linked_member("/etc/passwd")),
    "archive of a link that climbs": ("cifar_archive", lambda: linked_member("../../../etc/passwd")),
    "nested JSON": ("configuration", lambda: b'{"model": ' + b"[" * 200_000),
    "nested notebook": ("notebook", lambda: b'{"cells": ' + b"[" * 200_000),
    "configuration of other types": ("configuration", lambda: fuzz.seeds("configuration")[0].replace(b"32", b'"x"')),
}


def main() -> None:
    files = {name: make() for name, (_, make) in BOMBS.items()}
    for reader in fuzz.READERS:
        fuzz.feed(reader, fuzz.seeds(reader)[0])  # what is imported by it
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE,) * 2)
    for name, (reader, _) in BOMBS.items():
        begun, content = time.process_time(), files[name]
        try:
            fuzz.READERS[reader][0](content)
            said = "read"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - begun
        print(json.dumps({"name": name, "bytes": len(content), "said": said, "seconds": seconds}), flush=True)
    assert mg.ones(2).sum().item() == 2


if __name__ == "__main__":
    main()
