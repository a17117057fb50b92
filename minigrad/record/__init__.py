"""The engine's recorder: what forward and backward did, operation by operation, for the tools built on it."""
