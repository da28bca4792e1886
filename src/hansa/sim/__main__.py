"""`python -m hansa.sim`."""

import sys

from hansa.sim.run import main

sys.exit(main())
