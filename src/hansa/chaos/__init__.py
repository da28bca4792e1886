"""Whole nodes under torment: the simulator's scripts played with real processes, and judged from outside.

`sandbox` and `streets` make a network of their own for a run, `links` its faulty links, `alliance` founds nodes there,
`play` lets a script happen to them, `watch` looks at them as clients do, `judge` says what must hold; `run` and
`matrix` put that together for one script and for all rows, `availability` for long runs and recoveries.
"""
