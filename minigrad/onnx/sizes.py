"""Numbers that follow the size of the batch, found by comparing runs on batches of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

MOST_PARTS = 16  # into how many parts a batch may be divided


@dataclass(frozen=True)
class Size:
    """The number ``(scale * batch + offset) // divisor``."""

    scale: int = 1
    offset: int = 0
    divisor: int = 1

    def at(self, batch: int) -> int:
        """The number for a batch of that size."""
        return (self.scale * batch + self.offset) // self.divisor

    def plus(self, number: int) -> Size:
        """The size, and a number more."""
        return replace(self, offset=self.offset + number * self.divisor)

    def __str__(self) -> str:
        text = "batch" if self.scale == 1 else f"{self.scale} * batch"
        if self.offset:
            text += f" {'+' if self.offset > 0 else '-'} {abs(self.offset)}"
        if self.divisor == 1:
            return text
        return f"({text}) // {self.divisor}" if " " in text else f"{text} // {self.divisor}"


BATCH = Size()


def fit(batches: Sequence[int], numbers: Sequence[int]) -> Size | None:
    """The size that is `numbers` for batches of sizes `batches`; None if there is none of the form that `Size` has."""
    scale = (numbers[1] - numbers[0]) // (batches[1] - batches[0])
    candidates = [Size(scale, numbers[0] - scale * batches[0])]
    for parts in range(2, MOST_PARTS + 1):  # rounded down, as `//` and `chunk` do, or up
        candidates += [Size(1, 0, parts), Size(1, parts - 1, parts)]
    for size in candidates:
        if all([size.at(batch) == number for batch, number in zip(batches, numbers, strict=True)]):
            return size
    return None


def difference(one: int | Size | None, other: int | Size | None) -> int | Size | None:
    """``one - other``; None where it is no number and no size."""
    if isinstance(one, int) and isinstance(other, int):
        return one - other
    if isinstance(one, Size) and isinstance(other, int):
        return one.plus(-other)
    if isinstance(one, Size) and isinstance(other, Size) and (one.scale, one.divisor) == (other.scale, other.divisor):
        offset = one.offset - other.offset
        return offset // one.divisor if offset % one.divisor == 0 else None
    return None
