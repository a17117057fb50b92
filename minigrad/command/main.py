"""`minigrad COMMAND`: finds the command, runs it, and turns what goes wrong into one line."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from minigrad.command import check, docs, doctor, evaluate, export, models, predict, run, train
from minigrad.command.arguments import Parser, UsageError
from minigrad.command.console import silence

EPILOG = """\
a first run, on the data that minigrad brings:
  minigrad train lenet5 --data sample
  minigrad evaluate runs/lenet5-sample
  minigrad predict shirt.png
  minigrad export runs/lenet5-sample lenet5.onnx

minigrad COMMAND --help says more about a command."""

WRONG_ARGUMENTS, FAILED, BY_SIGNAL = 2, 1, 128  # exit codes, as shells and other programs have them


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of the commands by their names."""
    import minigrad

    parser = Parser(
        prog="minigrad", description="Train, test and use the classic convolutional networks.", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"minigrad {minigrad.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    for module in (train, evaluate, predict, models, export, run, check, docs, doctor):
        module.add_to(commands)
    return parser, commands.choices


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default this process's); returns the exit code.

    0: done; 1: it failed; 2: wrong arguments; 130: stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP). Messages of one
    line go to standard error.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us: the next file to be opened would take its place
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (as long as the process)
    parser, commands = build_parser()
    command = commands.get(words[0]) if words else None
    if command is not None and words[0] == "run":
        return run.main(command, words[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the signs that tables are drawn with
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(words, parser, command or parser)


def _run(words: list[str], parser: Parser, command: Parser) -> int:
    """What a command line comes to, `command` being the parser that its options are of."""
    from minigrad.train import NonFiniteLoss

    try:
        command.refuse_unknown_options(words)
        args = parser.parse_args(words)
        if args.command is None:
            parser.print_help()
        else:
            args.run(args)
        sys.stdout.flush()
        return 0
    except UsageError as error:
        return _fail(command, error, WRONG_ARGUMENTS)
    except BrokenPipeError:  # `minigrad models | head` has seen enough
        silence(sys.stdout)
        return FAILED
    except KeyboardInterrupt as stopped:  # TrainingInterrupted, which says what is saved, is one
        return _fail(
            command, str(stopped) or "stopped by Ctrl-C", BY_SIGNAL + getattr(stopped, "signal", signal.SIGINT)
        )
    # What the library raises for what it was given has a message of one line; anything else is a mistake of ours,
    # whose traceback is wanted.
    except OSError as error:
        named = error.strerror is not None and error.filename is None
        return _fail(command, error.strerror if named else error, FAILED)
    except MemoryError as error:
        return _fail(command, str(error) or "out of memory", FAILED)
    except (ModuleNotFoundError, NonFiniteLoss, RuntimeError, ValueError) as error:
        return _fail(command, error, FAILED)


def _fail(command: Parser, why: Any, code: int) -> int:
    _say_error(f"{command.prog}: {' '.join(str(why).split())}")
    return code


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    _say_error(f"minigrad: {message}")


def _say_error(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # the terminal is closed
        silence(sys.stderr)
