"""`hansa bench`: seeded, open-loop measurements of a running alliance, and the long checks of agreement and crashes.

`command` reads the command line · `workloads` draft transactions from a seed, for the accounts of `accounts` ·
`transactions` signs them · `client` sends them and watches · `own_alliance` founds and runs the nodes measured,
`faults` holds one of them up · `probes` reads /proc · `trial` is one run · `run` is a measurement, for which `search`
finds the rate · `ingress` counts single requests · `agreement`, `crash` and `rot` are the long checks · `report` is
what is printed, `results` what is made of kept ones.
"""

from hansa.bench.command import main

__all__ = ["main"]
