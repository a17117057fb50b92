"""Reading the command line: every wrong argument is one line that names what would fit."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from minigrad.device import cuda_backend
from minigrad.device import device as Device
from minigrad.train.recipes import RECIPES
from minigrad.vision.models import list_models


class UsageError(Exception):
    """What a person asked for cannot be meant; the message says what would fit."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choices that are spelt like `word`, or all of them, as the end of a message."""
    choices = list(choices)
    near = difflib.get_close_matches(word, choices, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(choices)}"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are single lines: no usage before them, the nearest choice behind them."""

    def __init__(self, *args: Any, **kwargs: Any):
        settings: dict[str, Any] = {"formatter_class": Layout, "allow_abbrev": False} | kwargs
        super().__init__(*args, **settings)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            word = "command" if action.dest == "command" else "choice"
            raise argparse.ArgumentError(None, f"unknown {word} {value!r}; {nearest(str(value), action.choices)}")

    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))

    def refuse_unknown_options(self, words: Sequence[str]) -> None:
        """UsageError for the first of the words that looks like an option and is none, with the nearest that is."""
        options = [option[2:] for option in self._option_string_actions if option.startswith("--")]
        for word in words:
            name = word.partition("=")[0]
            if word.startswith("--") and name[2:] not in options:
                near = difflib.get_close_matches(name[2:], options, n=1, cutoff=0.5)
                hint = f"did you mean --{near[0]}?" if near else f"{self.prog} --help lists all"
                raise UsageError(f"unknown option {name}; {hint}")


class Layout(argparse.RawDescriptionHelpFormatter):
    """Help whose texts begin in one column, wide enough for the longest option with its value."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:  # laid out by hand
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def count(least: int) -> Callable[[str], int]:
    """A type for argparse: a whole number from `least` on."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return number

    return parse


def positive(text: str) -> float:
    """A type for argparse: a number more than 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number more than 0, got {text!r}")
    return number


def shape(text: str) -> tuple[int, ...]:
    """A type for argparse: 3x224x224."""
    sizes = text.lower().split("x")
    if len(sizes) != 3 or not all(size.isdecimal() and int(size) for size in sizes):
        raise argparse.ArgumentTypeError(f"expected channels x height x width such as 3x224x224, got {text!r}")
    return tuple(map(int, sizes))


def model(text: str) -> str:
    """A type for argparse: the name of a model."""
    return _known("model", text, list_models(), "minigrad models lists all")


def recipe(text: str) -> str:
    """A type for argparse: the name of a recipe."""
    return _known("recipe", text, list(RECIPES), "")


def device(text: str) -> str:
    """A type for argparse: cpu, or cuda where it can be used."""
    try:
        if Device(text).type == "cuda":
            cuda_backend()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def file(text: str) -> Path:
    """A type for argparse: a file that exists."""
    path = Path(text).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(path.name, _names(path.parent), n=1)
        hint = f"; did you mean {path.with_name(near[0])}?" if near else ""
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise argparse.ArgumentTypeError(f"{text} {what}{hint}")
    return path


def output(*suffixes: str) -> Callable[[str], Path]:
    """A type for argparse: a file to write, with one of these suffixes, in a folder that exists."""

    def parse(text: str) -> Path:
        path = Path(text).expanduser()
        if path.suffix not in suffixes:
            known = f"its suffix says the format: {', '.join(suffixes)}"
            near = difflib.get_close_matches(path.suffix, suffixes, n=1)
            hint = f"; did you mean {path.with_suffix(near[0])}?" if near else ""
            raise argparse.ArgumentTypeError(f"cannot write {text!r}; {known}{hint}")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"cannot write {text!r}: there is no folder {str(path.parent)!r}")
        return path

    return parse


def _known(kind: str, text: str, names: list[str], hint: str) -> str:
    if text in names:
        return text
    near = [text.lower()] if text.lower() in names else difflib.get_close_matches(text.lower(), names, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else hint or nearest(text, names)
    raise argparse.ArgumentTypeError(f"unknown {kind} {text!r}; {advice}")


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
