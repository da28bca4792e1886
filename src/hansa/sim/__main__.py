"""`python -m hansa.sim`."""

import sys

from hansa.sim.command import main

sys.exit(main())
