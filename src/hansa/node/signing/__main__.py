"""`python -m hansa.node.signing DIR` runs the signer of that folder."""

import sys

from hansa.node.signing.process import run_signer

if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python -m hansa.node.signing DIR", file=sys.stderr)
        sys.exit(2)
    sys.exit(run_signer(sys.argv[1]))
