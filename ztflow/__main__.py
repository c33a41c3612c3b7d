"""`python -m ztflow`."""

import sys

from ztflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
