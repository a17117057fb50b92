"""`python -m minigrad`: the command line."""

import sys

from minigrad.command.main import main

if __name__ == "__main__":
    sys.exit(main())
