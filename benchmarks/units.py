"""How numbers are written."""


def milliseconds(seconds: float) -> str:
    """Three digits or more."""
    value = 1000 * seconds
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f} ms"


def mebibytes(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
