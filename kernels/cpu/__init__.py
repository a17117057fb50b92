"""The CPU: how kernels are compiled, and what they share: tiles, dot products, transposes, layouts, working memory.

Importing this imports Numba, which takes half a second; `import minigrad` does not.
"""

from .jit import get_num_threads, set_num_threads
from .relayout import side_by_side

__all__ = ["get_num_threads", "set_num_threads", "side_by_side"]
