"""`hansa bench`: seeded, open-loop measurements of a running alliance, and the long checks of agreement and crashes.

`command` reads the command line · `accounts`, `contracts` and `workload` make signed transactions from a seed ·
`http_connection`, `sender` and `watcher` are the client · `own_alliance` founds and runs the nodes it measures ·
`probes` reads /proc · `trial` is one run at one rate · `transfer`, `agreement` and `crash` are the measurements ·
`report` is what they print.
"""

from hansa.bench.command import main

__all__ = ["main"]
