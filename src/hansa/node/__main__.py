"""`python -m hansa.node DIR` runs the node of that folder."""

import sys

from hansa.node.supervise import run_node

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m hansa.node DIR", file=sys.stderr)
        sys.exit(2)
    sys.exit(run_node(sys.argv[1]))
