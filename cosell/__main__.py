"""``python -m cosell``."""

import logging
import os
import sys

from cosell.command_line import main

if __name__ == "__main__":
    # Warnings of the libraries say again what the command itself says in words.
    logging.basicConfig(level=logging.ERROR)
    sys.exit(main(sys.argv[1:], os.environ))
