"""Random programs, run by minigrad and by the naive engine side by side: values and gradients agree after each step."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from naive_engine import NaiveEngine, has_repeats

import minigrad as mg

LARGEST = 1e3  # numbers grow no further, so that the two engines' rounding stays comparable
SHAPES = [(), (1,), (3,), (2, 3), (3, 2), (2, 1), (1, 3), (2, 1, 3)]
PICK = st.integers(0, 1000)


class Pair:
    """One tensor in both engines."""

    def __init__(self, ours: mg.Tensor, naive):
        self.ours, self.naive = ours, naive

    shape = property(lambda self: self.naive.shape)
    value = property(lambda self: self.naive.value)


class TwoEngines(RuleBasedStateMachine):
    @initialize(shapes=st.lists(st.sampled_from(SHAPES), min_size=2, max_size=3), seed=st.integers(0, 99))
    def make_leaves(self, shapes, seed):
        self.random = np.random.default_rng(seed)
        arrays = [self.random.uniform(-1, 1, shape) for shape in shapes]
        self.engine = NaiveEngine(arrays)
        self.leaves = [
            Pair(mg.tensor(array, requires_grad=True), naive)
            for array, (naive, _) in zip(arrays, self.engine.leaves, strict=True)
        ]
        self.pool = list(self.leaves)
        constant = self.random.uniform(-1, 1, (2, 3))
        self.pool.append(Pair(mg.tensor(constant), self.engine.constant(constant)))

    def pick(self, number: int) -> Pair:
        # Mostly one of the last two: programs become deep, not wide.
        return self.pool[-1 - number % (len(self.pool) if number % 4 == 3 else 2)]

    def keep(self, ours, naive) -> Pair:
        pair = Pair(ours, naive)
        self.pool.append(pair)
        return pair

    @contextlib.contextmanager
    def recording(self, wanted: bool):
        self.engine.recording = wanted
        try:
            with mg.set_grad_enabled(wanted):
                yield
        finally:
            self.engine.recording = True

    def fitting(self, x: Pair, y: Pair) -> Pair:
        """y, or its sum where it does not broadcast with x."""
        try:
            np.broadcast_shapes(x.shape, y.shape)
        except ValueError:
            return self.keep(y.ours.sum(), self.engine.sum(y.naive, None))
        return y

    @rule(name=st.sampled_from(["add", "sub", "mul", "div"]), x=PICK, y=PICK, recording=st.integers(0, 5))
    def combine(self, name, x, y, recording):
        x = self.pick(x)
        y = self.fitting(x, self.pick(y))
        result_size = np.prod(np.broadcast_shapes(x.shape, y.shape))
        if result_size > 24 or np.abs(x.value).max(initial=0) * np.abs(y.value).max(initial=0) > LARGEST:
            return
        if name == "div" and np.abs(y.value).min(initial=1) < 0.3:
            name = "mul"
        with self.recording(recording > 0):
            self.keep(getattr(mg, name)(x.ours, y.ours), getattr(self.engine, name)(x.naive, y.naive))

    @rule(name=st.sampled_from(["add", "mul", "sub"]), x=PICK)
    def combine_with_itself(self, name, x):
        x = self.pick(x)
        if np.abs(x.value).max(initial=0) ** 2 < LARGEST:
            self.keep(getattr(x.ours, name)(x.ours), getattr(self.engine, name)(x.naive, x.naive))

    @rule(name=st.sampled_from(["tanh", "exp"]), x=PICK, recording=st.integers(0, 5))
    def apply(self, name, x, recording):
        x = self.pick(x)
        if np.abs(x.value).max(initial=0) > 2:
            name = "tanh"
        with self.recording(recording > 0):
            self.keep(getattr(x.ours, name)(), getattr(self.engine, name)(x.naive))

    @rule(x=PICK, y=PICK)
    def multiply_matrices(self, x, y):
        x, y = self.pick(x), self.pick(y)
        fit = len(x.shape) == len(y.shape) == 2 and x.shape[1] == y.shape[0]
        if fit and np.abs(x.value).max() * np.abs(y.value).max() < LARGEST / 3:
            self.keep(x.ours @ y.ours, self.engine.matmul(x.naive, y.naive))

    @rule(x=PICK, axis=st.integers(0, 3))
    def sum(self, x, axis):
        x = self.pick(x)
        axis = axis if axis < len(x.shape) else None
        self.keep(x.ours.sum(axis), self.engine.sum(x.naive, axis))

    def take_view(self, x: Pair, ours, take):
        """A view in both engines; a copy in both where the layout in memory left minigrad no view."""
        naive = x.naive.view(take)
        if not np.may_share_memory(ours.array, x.ours.array):
            naive = self.engine.new(naive.value, naive.derivative, [naive])
        self.keep(ours, naive)

    @rule(x=PICK, flat=st.booleans())
    def reshape(self, x, flat):
        x = self.pick(x)
        shape = (x.value.size,) if flat else (*x.shape[::-1], 1)
        if len(shape) < 4:
            self.take_view(x, x.ours.reshape(shape), lambda places: places.reshape(shape))

    @rule(x=PICK)
    def transpose(self, x):
        x = self.pick(x)
        if len(x.shape) > 1:
            self.take_view(x, x.ours.transpose(0, -1), lambda places: places.swapaxes(0, -1))

    @rule(x=PICK, first=st.integers(-1, 1), step=st.integers(1, 2), rows=st.booleans())
    def slice(self, x, first, step, rows):
        x = self.pick(x)
        index = slice(first, None, step) if rows else (..., slice(first, None, step))
        if x.shape and np.empty(x.shape)[index].size:
            self.take_view(x, x.ours[index], lambda places: places[index])

    @rule(x=PICK, size=st.integers(2, 3))
    def expand(self, x, size):
        x = self.pick(x)
        if len(x.shape) < 3 and x.value.size < 9:
            shape = (size, *x.shape)
            self.take_view(x, x.ours.expand(shape), lambda places: np.broadcast_to(places, shape))

    @rule(x=PICK)
    def detach(self, x):
        x = self.pick(x)
        self.keep(x.ours.detach(), x.naive.detach())

    @rule(
        name=st.sampled_from(["add_", "mul_", "setitem"]),
        x=PICK,
        y=PICK,
        first=st.integers(-1, 1),
        recording=st.integers(0, 4),
    )
    def write(self, name, x, y, first, recording):
        x, y = self.pick(x), self.pick(y)
        index = (slice(first, None),) if name == "setitem" and x.shape else ...
        places = x.naive.places[index]
        target_shape = places.shape
        if y.shape != target_shape[len(target_shape) - len(y.shape) :] or len(y.shape) > len(target_shape):
            y = self.keep(y.ours.sum(), self.engine.sum(y.naive, None))
        if np.abs(x.value).max(initial=0) * np.abs(y.value).max(initial=0) > LARGEST:
            return
        tracked = recording > 0 and (x.naive.requires_grad or y.naive.requires_grad)
        shared = has_repeats(places) or (tracked and x.naive.buffer.repeats)
        leaf = any(x.naive.buffer is leaf.naive.buffer for leaf in self.leaves)
        with self.recording(recording > 0):
            refused = shared or (leaf and recording > 0)
            try:
                if name == "setitem":
                    x.ours[index] = y.ours
                else:
                    getattr(x.ours, name)(y.ours)
            except RuntimeError as error:
                assert refused, error
                return
            assert not refused
            source = y.naive if name == "setitem" else getattr(self.engine, name[:-1])(x.naive, y.naive)
            x.naive.write(index, source)

    @rule(x=PICK, retain_graph=st.integers(0, 3))
    def backward(self, x, retain_graph):
        self.differentiate(self.pick(x), retain_graph > 0)
        self.pool = [pair for pair in self.pool if self.engine.used_up.isdisjoint(pair.naive.steps)]
        self.pool += [leaf for leaf in self.leaves if leaf not in self.pool]

    def differentiate(self, x, retain_graph):
        if not x.naive.requires_grad:
            return
        weight = self.random.uniform(-1, 1, x.shape)
        try:
            x.ours.backward(mg.tensor(weight), retain_graph=retain_graph)
        except RuntimeError as error:
            assert self.engine.may_refuse(x.naive), error
        else:
            self.engine.backward(x.naive, weight, retain_graph)

    def teardown(self):
        for pair in getattr(self, "pool", ())[-6:]:
            self.differentiate(pair, retain_graph=True)
        self.gradients_agree()

    @rule(which=PICK)
    def clear_gradient(self, which):
        which %= len(self.leaves)
        self.leaves[which].ours.grad = None
        self.engine.gradients[which] = None

    @invariant()
    def values_agree(self):
        for pair in getattr(self, "pool", ()):
            np.testing.assert_allclose(pair.ours.detach().numpy(), pair.value, rtol=1e-10, atol=1e-12)
            assert pair.ours.requires_grad == pair.naive.requires_grad

    @invariant()
    def gradients_agree(self):
        for leaf, expected in zip(getattr(self, "leaves", ()), getattr(self, "engine", self).gradients, strict=True):
            gradient = leaf.ours.grad
            assert leaf.ours.is_leaf
            if expected is None:
                assert gradient is None
            else:
                got = np.zeros(leaf.shape) if gradient is None else gradient.numpy()
                np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)

    gradients = ()  # before the leaves are made


TestTwoEngines = TwoEngines.TestCase
TestTwoEngines.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
