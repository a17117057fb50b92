"""The tiles of a matrix product and the split of its depth (split-K), so that all multiprocessors have work.

A block computes one tile of the result. Larger tiles read less from shared memory for each multiplication; smaller
ones, and a cut depth, make more blocks: 32 tiles of 128x128 leave 100 of an H200's 132 multiprocessors idle. `cut`
weighs these by an estimate in cycles, from the rates in tiling.json. The choice is a function of the shapes alone, so
that the order of every sum is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("tiling.json")
PARTS_AT_A_TIME = 16  # that a thread adds: one after the other, so more would take longer than another launch
SPLITS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Tile:
    """Rows and columns that a block computes, places of the depth in a step, and how fast it goes."""

    rows: int
    columns: int
    step: int
    rate: float  # multiply-adds a cycle of a multiprocessor that has two blocks


@dataclass(frozen=True)
class Device:
    """What the estimate takes the GPU to be. A cycle is one of its highest clock, whatever it runs at."""

    multiprocessors: int  # of a GPU with fewer, more blocks share each
    clock: float  # cycles a second
    bytes_per_cycle: float  # to memory, all multiprocessors together
    launch: float  # cycles that another kernel, which adds the parts, takes whatever its size
    start: float  # cycles until a block's first step has come and after its last, where no other block fills them
    alone: float  # the share of a tile's rate that one block reaches where a multiprocessor has no second


def read(table: dict[str, Any]) -> tuple[Device, dict[str, tuple[Tile, ...]]]:
    """The device and the tiles, by kind, of a table such as tiling.json."""
    return Device(**table["device"]), {kind: tuple(Tile(*row) for row in rows) for kind, rows in table["tiles"].items()}


# Until `python -m benchmarks.gpu figures` has measured them on a GPU, the table's numbers are estimates for an H200:
# 132 multiprocessors, 4.8 TB/s at 1.755 GHz, 2 microseconds for a launch.
# fma_tile.cuh: 128 multiply-adds a cycle are the most; 8x8 sums in a thread read 1/4 number for each, 4x4 1/2, 2x2 1,
# and shared memory gives 32 numbers a cycle. Double needs twice the registers and bytes: the small tile alone.
# tf32_tile.cuh: a warp's 64x64 sums read 1/32 number for each multiply-add (64x32 3/64, 32x32 1/16) and the tile is
# written to shared memory once; at 32 numbers a cycle that feeds 683, 455, 341 and 315 multiply-adds, of at most 635:
# mma.sync reaches 62 % of the tensor cores' 1024. Some of these are lost to latency.
DEVICE, TILES = read(json.loads(TABLE.read_text(encoding="utf-8")))
EXACT, EXACT_DOUBLE, TENSOR_CORES = TILES["exact"], TILES["exact_double"], TILES["tensor_cores"]


def ring_bytes(tile: Tile, chunk: int) -> int:
    """The shared memory of tf32_tile.cuh: three steps of both operands, and with chunks of 1 what is known of rows."""
    return (3 * tile.step * 4 + (16 if chunk == 1 else 0)) * (tile.rows + tile.columns)


@lru_cache(maxsize=1024)  # a network asks the same at every step
def cut(tiles: tuple[Tile, ...], rows: int, columns: int, depth: int, count: int = 1) -> tuple[Tile, int, int]:
    """The tile, the number of parts of the depth, and the places in a part (whole steps), for `count` such products."""
    best = None
    for tile in tiles:
        blocks = count * -(-rows // tile.rows) * -(-columns // tile.columns)
        steps = -(-depth // tile.step)
        for splits in SPLITS:
            per_split = -(-steps // splits) * tile.step
            if per_split * splits * 3 > 4 * steps * tile.step:
                continue  # whole steps do not go into so many parts: too many would be empty
            waves = -(-blocks * splits // DEVICE.multiprocessors)
            rate = tile.rate if waves > 1 else DEVICE.alone * tile.rate
            cycles = waves * (tile.rows * tile.columns * per_split / rate + DEVICE.start)
            if splits > 1:
                launches = 1 if splits <= PARTS_AT_A_TIME else 2
                cycles += (
                    DEVICE.launch * launches + count * rows * columns * 4 * (2 * splits + 1) / DEVICE.bytes_per_cycle
                )
            if best is None or cycles < best[0]:
                best = cycles, tile, splits, per_split
    assert best is not None
    return best[1:]
