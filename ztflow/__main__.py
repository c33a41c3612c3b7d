"""`python -m ztflow`: the command line."""

import sys

from ztflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
