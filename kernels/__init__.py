"""The hot loops: an operation a folder, its implementations side by side, plain arrays in and out."""
