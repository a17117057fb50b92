"""How results look in a terminal, in a pipe, and on 80 columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from minigrad.train.progress import pipe_console


def console() -> Any:
    """Rich's console for results: colours in a terminal only, and what is printed taken as it is."""
    return pipe_console(highlight=False, markup=False, emoji=False)


def silence(stream: Any) -> None:
    """Let what is still to be written to a closed terminal, or a pipe that nobody reads, go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def say(words: str = "", style: str = "") -> None:
    """Print a line that is broken by nobody but the terminal: a path stays one word for who copies it."""
    console().print(words, style=style, soft_wrap=True)


def tell(words: str) -> None:
    """`say`, for what is worth more than its words: where nobody reads them any more (`| head`), it goes on."""
    try:
        say(words)
    except OSError:
        silence(sys.stdout)


def show(renderable: Any) -> None:
    """Print a table; where it goes into a file or a pipe, without the spaces that end its lines."""
    screen = console()
    if screen.is_terminal:
        screen.print(renderable)
        return
    with screen.capture() as captured:
        screen.print(renderable)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> Any:
    """A table; `align` has a letter for each column: l for words, r for numbers, which are never broken."""
    from rich import box
    from rich.table import Table

    style: dict[str, Any] = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
    result = Table(**style)
    for name, side in zip(header, align, strict=True):
        result.add_column(name, justify="left" if side == "l" else "right", no_wrap=side == "r", overflow="fold")
    for row in rows:
        result.add_row(*row)
    return result


def pairs(rows: Sequence[tuple[str, str]]) -> Any:
    """Facts: a name and what there is to say, in two columns."""
    from rich.table import Table

    result = Table.grid(padding=(0, 2))
    result.add_column(no_wrap=True, style="bold")
    result.add_column(overflow="fold")
    for name, words in rows:
        result.add_row(name, words)
    return result


def short(number: float) -> str:
    """A count in three or four digits: 61,706, 1.73 M, 138 M, 15.5 G."""
    if number < 100_000:
        return f"{number:,.0f}"
    unit, scale = ("M", 1e6) if number < 1e9 else ("G", 1e9)
    value = number / scale
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
