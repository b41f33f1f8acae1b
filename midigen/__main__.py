"""`midigen` and `python -m midigen`."""

import sys

from midigen.cli import main

if __name__ == "__main__":
    sys.exit(main())
