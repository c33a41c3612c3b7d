"""`python -m ztflow.cli`."""

import sys

from ztflow.cli import main

sys.exit(main())
