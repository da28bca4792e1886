"""`hansa doctor`: what is wrong with a node, and what to do."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.commands.ledger import NodeDir
from hansa.cli.options import screen_of


def doctor(
    context: typer.Context,
    directory: NodeDir,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Also write what support needs into this .tar.gz; no secrets.", show_default=False
        ),
    ] = None,
) -> None:
    """Examine one node, running or stopped, and say what to do.

    Looks at configuration, keys, certificates, clock, disk, votes, ledger, peers and log. Changes nothing.
    """
    from hansa.cli.errors import NodeSick
    from hansa.cli.recovery.bundle import write_bundle
    from hansa.cli.recovery.doctor import Level, diagnose

    screen = screen_of(context)
    case, findings = diagnose(directory)
    marks = {Level.GOOD: "✔", Level.WARN: "⚠", Level.BAD: "✗"}
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.level]} {finding.check:<14} {finding.what}")
        if finding.cure:
            lines.append(f"  {'':<14} → {finding.cure}")
    facts: dict[str, object] = {"directory": str(directory), "findings": [finding.as_json() for finding in findings]}
    if bundle is not None:
        facts |= {"bundle": str(bundle), "contents": write_bundle(directory, findings, case, bundle)}
        lines.append(f"  {bundle} holds what support needs; keys, tokens and votes are no part of it")
    bad = [finding for finding in findings if finding.level is Level.BAD]
    if bad:
        if not screen.json:
            screen.data(facts, "\n".join(lines))
        raise NodeSick(f"{bad[0].check}: {bad[0].what}", bad[0].cure, **facts)
    screen.data(facts, "\n".join(lines))
