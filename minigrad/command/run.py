"""`minigrad run program.py [arguments]`: a program written for PyTorch, unchanged, on minigrad.

All but the engine is as with `python program.py`: `__main__`, sys.argv, imports from the program's folder, exit codes,
Ctrl-C and tracebacks. So this command does not go the way of the others, which turn errors into one line.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import minigrad as mg
from minigrad.command.arguments import Parser, UsageError, count
from minigrad.command.notebook import run_notebook, sources
from minigrad.distributed.launch import launch
from minigrad.tensor import Tensor
from minigrad.torch.facade import MissingName, missing
from minigrad.torch.finder import PACKAGES, install

VALUED = ("--study", "--device", "--threads", "--processes")
HERE = str(Path(mg.__file__).parent)


def add_to(commands: Any) -> None:
    """Add the command, for the help; `main` reads its arguments itself, since a program has options of its own."""
    parser = commands.add_parser(
        "run",
        help="a program written for PyTorch, unchanged",
        usage="minigrad run [--study PAGE] [--device DEVICE] [--threads N] [--processes N] PROGRAM [ARGUMENT ...]",
        description="Run a program or a notebook that imports torch and torchvision with minigrad in their place. What "
        "stands behind PROGRAM goes to it. `minigrad check PROGRAM` tells beforehand what it will miss.",
    )
    parser.add_argument("--study", metavar="PAGE", help="make a page to step through of the first backward pass")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="hide the GPU, or compute on it by default")
    parser.add_argument("--threads", metavar="N", type=count(1), help="how many threads to compute with")
    parser.add_argument("--processes", metavar="N", type=count(1), help="how many, of a program for torch.distributed")
    parser.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module, as with python -m")
    parser.add_argument("program", metavar="PROGRAM", help="a file .py or .ipynb")
    parser.set_defaults(parser=parser)


def main(parser: Parser, words: Sequence[str]) -> int:
    """Run the program of a command line, which begins behind the word `run`; what the program raises comes out."""
    own = _own_words(words)
    try:
        parser.refuse_unknown_options(own)
        args = parser.parse_args(own)
        program = Path(args.program)
        if not args.module and not program.is_file():
            raise UsageError(f"there is no file {args.program!r}")
        if args.processes is not None:
            return launch(args.processes, ["-m", "minigrad", "run", *_without_processes(words)])
        if program.suffix == ".ipynb":
            sources(program)
        _set_up(args)
    except UsageError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    install()
    sys.excepthook = _show
    sys.argv = [args.program, *words[len(own) :]]
    study = _FirstBackward(args.study) if args.study else None
    if args.module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(args.program, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(program.resolve().parent))
        _run_file(program)
    if study is not None and not study.done:
        print(f"{parser.prog}: --study: the program ran no backward pass", file=sys.stderr)
    return 0


def _own_words(words: Sequence[str]) -> list[str]:
    """The words that are this command's: up to the program, the first that is neither an option nor its value."""
    own: list[str] = []
    for word in words:
        own.append(word)
        is_value = len(own) > 1 and own[-2] in VALUED
        if not word.startswith("-") and not is_value:
            break
    return own


def _without_processes(words: Sequence[str]) -> list[str]:
    """What each of the processes is started with."""
    own = _own_words(words)
    kept = [
        word
        for before, word in zip(["", *own], own, strict=False)
        if "--processes" not in (before, word) and not word.startswith("--processes=")
    ]
    return [*kept, *words[len(own) :]]


def _set_up(args: Any) -> None:
    if args.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if args.device == "cuda":
        if not mg.cuda.is_available():
            raise RuntimeError("--device cuda: there is no GPU that can be used; `minigrad doctor` says why")
        set_default_device = getattr(mg, "set_default_device", None)
        if set_default_device is None:
            raise RuntimeError("--device cuda: a program chooses the GPU itself, by device='cuda' or .cuda()")
        set_default_device("cuda")
    if args.threads is not None:
        mg.set_num_threads(args.threads)


def _run_file(program: Path) -> None:
    main_module = ModuleType("__main__")
    main_module.__dict__.update(__file__=str(program), __builtins__=__builtins__, __cached__=None, __annotations__={})
    sys.modules["__main__"] = main_module
    if program.suffix == ".ipynb":
        run_notebook(program, main_module.__dict__)
    else:
        exec(compile(program.read_bytes(), str(program), "exec"), main_module.__dict__)


def _show(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """As Python shows what a program did not catch; a name that minigrad lacks in one line."""
    where = _in_program(where) or (None if isinstance(error, SyntaxError) else where)
    name = _missing_name(error)
    if name is None:
        sys.__excepthook__(kind, error.with_traceback(where), where)
        return
    frames = [frame for frame in traceback.extract_tb(where) if not _is_ours(frame.filename)]
    place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""
    print(f"{place}{missing(name)}", file=sys.stderr)


def _in_program(where: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this command, which lie above the program's."""
    below = where
    while below is not None and _is_ours(below.tb_frame.f_code.co_filename):
        below = below.tb_next
    return below


def _is_ours(filename: str) -> bool:
    return filename.startswith((HERE, "<frozen ")) or Path(filename).name in ("minigrad", "runpy.py")


def _missing_name(error: BaseException) -> str | None:
    """PyTorch's full name for what an exception says is not there, if it is something of PyTorch's."""
    if isinstance(error, MissingName):
        return str(error).partition(" is not in minigrad")[0]
    if isinstance(error, AttributeError) and isinstance(error.obj, Tensor):
        return f"Tensor.{error.name}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in PACKAGES:
        return error.name
    if isinstance(error, ImportError):
        found = re.match(r"cannot import name '(\w+)' from '(?:minigrad\.)?(torch[\w.]*)'", str(error))
        return f"{found[2]}.{found[1]}" if found else None
    return None


class _FirstBackward:
    """Makes the page of --study when the program first calls `backward`, which then goes on as if nothing had been."""

    def __init__(self, page: str):
        self.page = page
        self.done = False
        self.original = Tensor.backward
        first = self

        def backward(loss: Tensor, *args: Any, **kwargs: Any) -> None:
            first.write(loss)
            first.original(loss, *args, **kwargs)

        Tensor.backward = backward  # type: ignore[assignment, method-assign]

    def write(self, loss: Tensor) -> None:
        from minigrad.study.lessons.stepper import step_in

        Tensor.backward = self.original  # type: ignore[method-assign]
        self.done = True
        try:
            print(f"minigrad: wrote {step_in(sys._getframe(2), loss, self.page)}", file=sys.stderr)
        except (RuntimeError, ValueError) as error:
            print(f"minigrad: --study: {error}", file=sys.stderr)
