"""The stepper's own lesson: four operations, one value used twice, and why recursion is not backpropagation."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import minigrad
from minigrad.autograd.node import AccumulateGrad, Node
from minigrad.record.trace import trace
from minigrad.study.draw.arrays import number_text
from minigrad.study.draw.highlight import highlight
from minigrad.study.lessons.computation import Computation, computation_of_trace
from minigrad.study.lessons.narration import Narrator, Stop
from minigrad.tensor import Tensor

PROGRAM = """\
a = mg.tensor(2.0, requires_grad=True)
b = mg.tensor(3.0, requires_grad=True)
c = a * b
d = c.square()
e = c + d
L = e * a
L.backward()
"""
NUDGE = 0.001

NOTES = {
    ("forward", "c"): [
        "The derivative of a product needs its factors: if a grows by 1, c grows by b.",
        "!Below is the formula, and the code that has just run: <code>ctx</code> is the node, and what forward saves "
        "in it, backward finds again. What is pale is for the way back; we come to it.",
    ],
    ("forward", "e"): [
        "!Here <b>c</b> is used for the second time: once to make d, and once directly. From c two routes lead to L."
    ],
    ("forward", "L"): ["And <b>a</b> is used for the second time. An input can be used again just as well."],
    ("turn", ""): [
        "!c waits for 2, because d and e both used it. a waits for 2 as well, for c and L. L waits for nothing: we "
        "begin there."
    ],
    ("backward", "L"): [
        "A product's local derivative with respect to one factor is the other factor. So e gets 1 × a, and a gets "
        "1 × e."
    ],
    ("backward", "e"): [
        "!<b>Why not go on to c at once?</b> It has a gradient already. But that is only what came along one route, "
        "and what came through d is still missing. If c ran now, it would send on half an answer, and would have to "
        "run again later. So c waits, and d runs first."
    ],
    ("backward", "d"): ["The derivative of c² is 2c = 12: this is why d kept c."],
    ("backward", "c"): [
        "!<b>Why add?</b> Nudge c, and L moves along both routes, directly through e and through d. The two changes "
        "add up, so the gradients do. Only the sum goes on, and c runs once."
    ],
    ("backward", "a"): [
        "It is <i>added</i> to a.grad and does not replace it. A second backward would add once more: this is why a "
        "program that trains a network calls <code>optimizer.zero_grad()</code> before each step."
    ],
}  # fmt: skip


def recursion(node: Any, gradient: Tensor, once: bool, grads: dict[Node, float], runs: dict[Node, int]) -> None:
    """Not how to do it: go on as soon as a gradient arrives."""
    grads[node] = grads.get(node, 0.0) + gradient.item()
    if isinstance(node, AccumulateGrad) or (once and node in runs):
        return  # at a leaf; and where a node may run only once, every other time
    runs[node] = runs.get(node, 0) + 1
    gradients = node.run([gradient])
    for (parent, _), sent in zip(node.edges, gradients, strict=True):
        recursion(parent, sent, once, grads, runs)


def run_program() -> dict[str, Any]:
    """The lesson's variables, with `t` the trace of its run."""
    # Run as a program of its own: a trace takes names from the code that calls minigrad, not from minigrad's.
    text = f"with trace(keep_values=True) as t:\n{textwrap.indent(PROGRAM, '    ')}"
    variables: dict[str, Any] = {"mg": minigrad, "trace": trace}
    exec(compile(text, "<lesson>", "exec"), variables)
    return variables


def lesson_computation() -> Computation:
    """The program, run."""
    return computation_of_trace(run_program()["t"])


def lesson_steps(computation: Computation) -> tuple[Narrator, list[Stop]]:
    """The whole lesson: the question, the walk, a check of the answer, what recursion would have done."""
    narrator = Narrator(computation, NOTES)
    return narrator, [_question(), *narrator.tell(), _check(computation), _why_not_recursion(), _summary()]


def _question() -> Stop:
    words = [
        "Here is a program, and beside it the graph of what it computes: two inputs and four operations. A card is an "
        "operation; an arrow is a value that one operation made and another one uses.",
        "If a were a little larger than 2, how much larger would L be? The answer is a derivative, ∂L/∂a. It is called "
        "the <b>gradient</b> of a and is kept in <code>a.grad</code>. A network learns so: it finds the gradient of "
        "each of its weights, the numbers that it may change, and moves each a little against it.",
        "<b>Backpropagation</b> finds all gradients in one walk back through the graph. To have a graph to walk, every "
        "operation leaves a <b>node</b> when it runs: a note of what was computed, and from what. All nodes together "
        "are the <b>tape</b>. In the program, <code>requires_grad=True</code> says of which inputs we want the "
        "gradient, and <code>L.backward()</code> is the walk.",
        "We go along, forward first and then back, one operation at a time, with the numbers that the program really "
        "computes. Keep an eye on <b>c</b>: it is used twice. Go on with the button below or with the → key.",
    ]
    return Stop("start", "How much does L change if a or b does?", words, program=highlight(PROGRAM))


def _check(computation: Computation) -> Stop:
    """The derivatives once more, by nudging each input."""

    def program(a: float, b: float) -> float:
        c = a * b
        return (c + c * c) * a

    a, b = 2.0, 3.0
    rows = []
    gradients = {
        computation.entries[run.entry].label: run.accumulated for run in computation.runs if run.accumulated is not None
    }
    for name, nudged in (("a", program(a + NUDGE, b)), ("b", program(a, b + NUDGE))):
        change = nudged - program(a, b)
        found = number_text(float(gradients[name].item()))
        rows.append(
            f"<tr><td>{name} + {NUDGE}</td><td>{nudged:.5f}</td><td>{change:.5f}</td><td>{change / NUDGE:.2f}</td>"
            f"<td><b>{found}</b></td></tr>"
        )
    words = [
        f"Let us not believe it, but try: make one input larger by {NUDGE}, run forward again, and see how far L moves "
        "from 84.",
        "<table><tr><th>input</th><th>L</th><th>change of L</th><th>change / nudge</th><th>backward said</th></tr>"
        f"{''.join(rows)}</table>",
        "The numbers agree but for a little, because L is not a straight line, and the nudge is not infinitely small. "
        "For two inputs we needed two more forwards; for a million weights it would be a million. Backward gave all "
        "of them in one walk.",
    ]
    return Stop("end", "Is it true?", words)


def _why_not_recursion() -> Stop:
    """What the rule "go on at once" gives, computed on the real nodes."""
    variables = run_program_without_backward()
    rows = []
    for once, what in ((False, "each time a gradient arrives"), (True, "only the first time")):
        grads: dict[Node, float] = {}
        runs: dict[Node, int] = {}
        recursion(variables["L"].grad_fn, minigrad.tensor(1.0), once, grads, runs)
        leaf = {id(node.variable): total for node, total in grads.items() if isinstance(node, AccumulateGrad)}
        a, b = (number_text(leaf[id(variables[name])]) for name in "ab")
        count = runs[variables["c"].grad_fn]
        verdict = "wrong" if once else "right, but at what price"
        rows.append(f"<tr><td>{what}</td><td>{count} ×</td><td>{a}</td><td>{b}</td><td>{verdict}</td></tr>")
    rows.append(
        "<tr><td><b>after all that used it</b></td><td>1 ×</td><td>120</td><td>52</td><td><b>right</b></td></tr>"
    )
    words = [
        "Without the waiting counts, backward would be the few lines below: a function that sends the gradient on and "
        "calls itself. Where every value is used once, that is right. On our graph it gives:",
        "<table><tr><th>a node runs</th><th>c ran</th><th>a.grad</th><th>b.grad</th><th></th></tr>"
        f"{''.join(rows)}</table>",
        "Run at each arrival, c sends on each part of its gradient separately, and everything before c runs twice too. "
        f"After 30 such values in a row the first node would run 2<sup>30</sup> = {2**30:,} times. Run only the first "
        "time, the rest of the gradient is lost.",
        "!So the order is the algorithm: a node runs when everything that used its value has run. This is a "
        "<b>topological order</b>, and the waiting counts find it along the way.",
    ]
    return Stop("end", "Why not simply recursion?", words, program=highlight(inspect.getsource(recursion).rstrip()))


def run_program_without_backward() -> dict[str, Any]:
    """The lesson's variables, with the graph whole."""
    variables: dict[str, Any] = {"mg": minigrad}
    exec(compile(PROGRAM.replace("L.backward()\n", ""), "<lesson>", "exec"), variables)
    return variables


def _summary() -> Stop:
    words = [
        "<b>Forward</b>: every operation computes its output and leaves a node that knows where its inputs came from.",
        "<b>Backward</b>: from the result to the leaves, each node once, after everything that used it. What a node "
        "sends is its gradient × its local derivative. Where routes meet, gradients are added.",
        "There is nothing else. A network is the same with larger boxes: its values are images and matrices in place "
        "of numbers, and it has some thousand to some billion leaves. This page can be made for your own:",
    ]
    program = """\
with study.trace(keep_values=True) as t:
    loss = F.cross_entropy(model(image), label)
    loss.backward()
study.step(t, "mine.html")
"""
    return Stop("end", "That was all of it", words, program=highlight(program))
