"""minigrad on an NVIDIA GPU beside PyTorch: ``python -m benchmarks.gpu`` tests the kernels there and measures them."""
