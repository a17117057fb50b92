"""Grad modes as decorators: they govern the body, of a generator too, and nothing but the body. As in PyTorch."""

import asyncio

import pytest

import minigrad as mg

MODES = ["no_grad", "enable_grad", "inference_mode", "set_grad_enabled"]


@pytest.fixture(params=["minigrad", "torch"])
def engine(request):
    """Each engine: what is expected here is what PyTorch does."""
    return mg if request.param == "minigrad" else pytest.importorskip("torch")


def decorator(engine, name):
    return engine.set_grad_enabled(False) if name == "set_grad_enabled" else getattr(engine, name)()


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("outer", [True, False])
def test_each_stretch_of_a_generator_has_the_mode_and_its_caller_its_own(engine, name, outer):
    inside = name == "enable_grad"
    seen = []

    @decorator(engine, name)
    def numbers(count):
        """Doc."""
        for i in range(count):
            seen.append(engine.is_grad_enabled())
            yield i
        seen.append(engine.is_grad_enabled())
        return "result"

    def caller():
        return (yield from numbers(2))

    assert numbers.__name__ == "numbers" and numbers.__doc__ == "Doc."
    with engine.set_grad_enabled(outer):
        assert engine.is_grad_enabled() is outer
        running = caller()
        assert seen == []  # a generator runs when it is asked for a value
        assert next(running) == 0 and engine.is_grad_enabled() is outer
        assert next(running) == 1 and engine.is_grad_enabled() is outer
        with pytest.raises(StopIteration) as end:
            next(running)
        assert engine.is_grad_enabled() is outer
    assert end.value.value == "result" and seen == [inside] * 3


def test_what_is_sent_and_thrown_reaches_the_body_in_its_mode(engine):
    seen = []

    @engine.no_grad()
    def body():
        received = None
        while True:
            try:
                received = yield received
            except KeyError as error:
                received = repr(error)
            seen.append(engine.is_grad_enabled())

    running = body()
    next(running)
    assert running.send(3) == 3 and running.throw(KeyError("k")) == "KeyError('k')" and running.send(4) == 4
    assert engine.is_grad_enabled() and seen == [False] * 3
    with pytest.raises(ZeroDivisionError):
        running.throw(ZeroDivisionError)
    assert engine.is_grad_enabled()
    with pytest.raises(StopIteration):
        next(running)


def test_a_generator_that_is_closed_ends_in_its_mode(engine):
    seen = []

    @engine.no_grad()
    def body():
        try:
            yield 1
        finally:
            seen.append(engine.is_grad_enabled())

    running = body()
    next(running)
    running.close()
    assert seen == [False] and engine.is_grad_enabled()


def test_a_generator_method_and_a_mode_without_parentheses(engine):
    class Loader:
        @engine.no_grad
        def batches(self, weight):
            for scale in (1, 2):
                yield weight * scale

    weight = engine.ones(2, requires_grad=True)
    assert [batch.requires_grad for batch in Loader().batches(weight)] == [False, False]
    assert (weight * 2).requires_grad


def test_a_coroutine_is_called_in_the_mode_but_not_run_in_it(engine):
    @engine.no_grad()
    async def body():
        return engine.is_grad_enabled()

    assert asyncio.run(body()) is True
