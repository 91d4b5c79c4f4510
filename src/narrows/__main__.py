"""`python -m narrows`: the command line."""

import sys

from narrows.cli import main

if __name__ == "__main__":
    sys.exit(main())
