"""The scalar of the first two lessons: a number that remembers what it was made from."""

from __future__ import annotations

from collections.abc import Sequence


class Value:
    """A number, the values it was made from, and how fast it moves when each of them moves.

    `parents` holds pairs (value, slope): the slope is the derivative of this value with respect to that one,
    all others being held still. `operation` and `name` are for the pictures.
    """

    def __init__(self, data: float, parents: Sequence[tuple[Value, float]] = (), operation: str = "", name: str = ""):
        self.data = data
        self.parents = parents
        self.operation = operation
        self.name = name
        self.grad = 0.0

    def named(self, name: str) -> Value:
        """The same value, with a name for the pictures."""
        self.name = name
        return self

    def __add__(self, other: Value) -> Value:
        return Value(self.data + other.data, [(self, 1.0), (other, 1.0)], "+")

    def __sub__(self, other: Value) -> Value:
        return Value(self.data - other.data, [(self, 1.0), (other, -1.0)], "−")

    def __mul__(self, other: Value) -> Value:
        return Value(self.data * other.data, [(self, other.data), (other, self.data)], "×")

    def square(self) -> Value:
        """The value times itself."""
        return Value(self.data**2, [(self, 2 * self.data)], "²")

    def __repr__(self) -> str:
        return f"Value({self.data:g})"
