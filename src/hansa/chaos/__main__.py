"""`python -m hansa.chaos TOOL …`: how a tool runs itself again inside its sandbox."""

import sys

from hansa.chaos.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
