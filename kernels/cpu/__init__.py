"""The CPU: how kernels are compiled, and what they share: tiles, dot products, transposes, layouts, working memory."""
