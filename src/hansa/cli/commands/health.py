"""`hansa doctor`, `hansa evidence verify`: what is wrong with a node or with others, and what to do."""

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


def evidence_verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A proof, e.g. from the folder data/evidence of a node.")],
    genesis: Annotated[
        Path | None,
        typer.Option("--genesis", help="genesis.json; else that of the node in whose folder it lies."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="A node's folder `data`, for later epochs; else the one in which it lies."),
    ] = None,
) -> None:
    """Check a proof that a validator lied.

    Two signatures of one key under two votes that no honest validator signs both. Whose key that was, genesis.json says
    of the first epoch; of later ones the file `epochs` in a node's folder `data` proves it from genesis.json on.
    """
    import msgspec

    from hansa.alliance.files import read_public
    from hansa.cli.recovery.evidence import tell_evidence, verify_evidence

    screen = screen_of(context)
    path = genesis if genesis is not None else file.absolute().parent.parent.parent / "genesis.json"
    found = verify_evidence(file, read_public(path), data if data is not None else file.absolute().parent.parent)
    screen.data({"file": str(file), "proof": msgspec.to_builtins(found)}, f"✔ {tell_evidence(found)}")
