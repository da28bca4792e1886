"""Agreement: values, votes and their log, and the engines (`pbft`, `solo`) behind one pair of tables of inputs and
effects.

Everything here is sans-I/O: a machine is `step(input, now_ms, wall_ms) -> list[Effect]`; the shell performs the effects
in list order and brings the answers back as inputs. `hansa.node.replica` is the composite that a shell drives.
"""
