"""Parity with PyTorch, by PyTorch's own database of operations (OpInfo): ``python -m benchmarks.parity``.

Every operation that both have is run on PyTorch's sample inputs, and must give the same values, dtypes, shapes
and gradients; and on its error inputs, which must be refused. `omissions` lists what is left out, and why.
"""
