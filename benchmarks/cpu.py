"""Train and use small networks on the CPU with minigrad and with PyTorch: the same program, only the import differs.

python -m benchmarks.cpu                 all cases: the table, results/cpu.json, and the chart
python -m benchmarks.cpu lenet vgg11     the cases whose names begin so
python -m benchmarks.cpu --layers        layer by layer, beside what the machine can do at best
python -m benchmarks.cpu --scaling       how the cost grows with the batch and with the picture
python -m benchmarks.cpu --isa avx2      all libraries as on a processor with AVX2, without AVX-512

Each program runs in a process of its own; the libraries take turns. Per case and round: the training step (zero_grad,
forward, cross-entropy, backward, SGD with momentum 0.9 and weight decay 5e-4), the largest resident memory of the
training process, inference on the same batch and on one picture (medians over many runs), and the time from the start
of the process to the end of its first step, the kernels compiled and the memory present before. Every ratio is
PyTorch's figure over ours in the same round, so above 1 minigrad is ahead; its median over the rounds is printed, and
its least and most.
"""

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks import runner
from benchmarks.cases import CASES, Case, choose
from benchmarks.report import METRICS, case_table, console
from benchmarks.runner import MINIGRAD, PEERS, Contender, alternate, ratios


def main() -> None:
    arguments = parse_arguments()
    name = "cpu-layers" if arguments.layers else "cpu-scaling" if arguments.scaling else "cpu"
    path = arguments.output / f"{runner.act_as(arguments.isa, name)}.json"
    if arguments.threads > runner.available_cores() or os.getloadavg()[0] > 0.5:
        console.print("The machine is busy, or has fewer cores than threads: the figures say little.", style="yellow")
    results = {
        "machine": runner.describe_machine(arguments.threads, with_limits=arguments.layers or not arguments.quick)
    }
    if arguments.layers:
        from benchmarks.layers import measure_layers

        measure_layers(results, path, arguments)
    elif arguments.scaling:
        from benchmarks.scaling import measure_scaling

        measure_scaling(results, path, arguments)
    else:
        measure_cases(results, path, arguments)
    console.print(f"Written: {path}", soft_wrap=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; default all")
    parser.add_argument("--threads", type=int, default=min(2, runner.available_cores()), help="default %(default)s")
    parser.add_argument("--isa", choices=runner.INSTRUCTION_SETS, default="native", help="default %(default)s")
    parser.add_argument("--rounds", type=int, help="default 5")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--alone", action="store_true", help="minigrad only, where PyTorch is not installed")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--layers", action="store_true", help="time every layer and operation by itself")
    kind.add_argument("--scaling", action="store_true", help="time over batch size and picture size")
    parser.add_argument(
        "--output", type=Path, help="folder; default benchmarks/results, or runs/benchmarks for --quick or chosen cases"
    )
    arguments = parser.parse_args()
    try:
        arguments.cases = {name: CASES[name] for name in choose(arguments.case)}
    except ValueError as error:
        parser.error(str(error))
    if arguments.case and (arguments.layers or arguments.scaling):
        parser.error("--layers and --scaling have networks of their own; name no case with them")
    if not arguments.alone and not runner.peers_installed():
        parser.error("PyTorch is not installed: pip install 'minigrad[bench]', or measure minigrad --alone")
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    if arguments.output is None:
        whole = not (arguments.quick or arguments.case or arguments.alone)
        arguments.output = runner.results_folder(whole)
    return arguments


def measure_cases(results: dict, path: Path, arguments: argparse.Namespace) -> None:
    """Measure, print and save case by case, and draw the chart."""
    contenders = [MINIGRAD] if arguments.alone else [MINIGRAD, *PEERS]
    seconds = 0.1 if arguments.quick else 4.0
    results |= {"rounds": arguments.rounds, "cases": {}}
    for name, case in arguments.cases.items():
        figures = measure_case(case, contenders, arguments, seconds)
        row = {"title": str(case), "figures": figures, "ratios": {}}
        for peer in contenders[1:]:
            row["ratios"][peer.name] = {m: ratios(figures[peer.name][m], figures["minigrad"][m]) for m in METRICS}
        results["cases"][name] = row
        console.print(case_table(row, contenders))
        runner.save(results, path)
    if "lenet-64" in arguments.cases and not arguments.quick:
        results["cold_first_step_seconds"] = cold = measure_cold_start(arguments.threads)
        console.print(f"LeNet-5's first step with an empty kernel cache, all kernels compiled: {cold:.1f} s")
        runner.save(results, path)
    if not arguments.alone:
        from benchmarks.charts import draw_ratios

        draw_ratios(results, path.with_suffix(""))


def measure_case(case: Case, contenders: list[Contender], arguments: argparse.Namespace, seconds: float) -> dict:
    """figures[contender][metric]: one value a round."""
    figures = {contender.name: {metric: [] for metric in METRICS} for contender in contenders}
    memory = 0
    with console.status(str(case)) as status:
        if not arguments.quick:  # kernels compiled, files in the system's cache
            for contender in contenders:
                memory = max(memory, run_case(case, contender, arguments.threads, 0.0)["peak memory"])
        for round, contender in alternate(contenders, arguments.rounds):
            status.update(f"{case}: round {round + 1} of {arguments.rounds}, {contender.name}")
            runner.make_present(memory)
            measured = run_case(case, contender, arguments.threads, seconds)
            for metric in METRICS:
                figures[contender.name][metric].append(measured[metric])
    return figures


def run_case(case: Case, contender: Contender, threads: int, seconds: float) -> dict:
    words = case.model, case.batch, case.channels, case.size, contender.layout, seconds
    return runner.run("program", words, runner.environment(contender.package, threads))


def measure_cold_start(threads: int) -> float:
    """Seconds from process start to LeNet-5's first finished step when no kernel has ever been compiled."""
    with tempfile.TemporaryDirectory() as empty:
        words = "lenet5", 64, 1, 28, "contiguous", 0.0
        env = runner.environment("minigrad", threads) | {"NUMBA_CACHE_DIR": empty}
        return runner.run("program", words, env)["first step"]


if __name__ == "__main__":
    main()
