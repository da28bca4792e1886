"""`python -m hansa.chaos.traitors FOLDER`: the node of a folder, which lies as its environment says."""

import sys

from hansa.chaos.traitors.lying import run_lying

if __name__ == "__main__":
    sys.exit(run_lying(sys.argv[1]))
