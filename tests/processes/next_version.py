"""A node of the release after this one, as far as versions tell: it speaks and runs one version more."""

import sys

from hansa.node.supervise import run_node
from hansa.types import versions

if __name__ == "__main__":
    versions.LINK_MAX += 1
    versions.PROTOCOL_MAX += 1
    sys.exit(run_node(sys.argv[1]))
