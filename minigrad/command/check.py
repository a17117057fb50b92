"""`minigrad check program.py`: what of PyTorch a program uses, and what of it minigrad has, before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigrad.command.arguments import UsageError
from minigrad.command.console import say, show, table
from minigrad.command.notebook import code_cells
from minigrad.torch.scope import why_out_of_scope
from minigrad.torch.usage import is_there, uses


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="whether a program written for PyTorch finds here what it uses",
        description="List every name of torch and torchvision that a program and the modules beside it use, and which "
        "of them minigrad has. Nothing is run. The exit code is 1 if any is missing. What a tensor is asked for by a "
        "method cannot be known from the source.",
    )
    parser.add_argument("program", metavar="PROGRAM", help="a file .py or .ipynb")
    parser.add_argument("--missing", action="store_true", help="list only what is missing")
    parser.set_defaults(run=run, parser=parser)


def run(args: Any) -> None:
    """Print the table; RuntimeError if a name is missing."""
    program = Path(args.program)
    if not program.is_file():
        raise UsageError(f"there is no file {args.program!r}")
    try:
        sources = {program: "\n".join(code_cells(program))} if program.suffix == ".ipynb" else None
        found = uses(program, sources)
    except SyntaxError as error:
        raise RuntimeError(f"{error.filename}:{error.lineno}: {error.msg}") from None
    places: dict[str, list[str]] = {}
    for use in found:
        places.setdefault(use.name, []).append(f"{use.file}:{use.line}")
    rows, missing = [], []
    for name in sorted(places):
        there = is_there(name)
        if not there:
            missing.append(name)
        if there and args.missing:
            continue
        why = why_out_of_scope(name)
        state = "yes" if there else f"no, out of scope: {why}" if why else "no"
        more = f" and {len(places[name]) - 1} more" if len(places[name]) > 1 else ""
        rows.append([name, state, places[name][0] + more])
    if rows:
        show(table(["name", "here", "where"], rows, "lll"))
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(places)} names are missing")
    say(f"all {len(places)} names are there")
