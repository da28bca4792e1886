"""A small client of Hansa's JSON-RPC, without any web framework: what the command line and the benchmark use.

`client` speaks JSON-RPC over one kept HTTP connection · `contract` turns words into calls · `signing` prepares,
signs and sends transactions · `errors` says what a node answered.
"""
