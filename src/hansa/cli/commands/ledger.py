"""`hansa verify`, `hansa repair`, `hansa node run`: one node's folder by itself."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.options import screen_of

NodeDir = Annotated[Path, typer.Argument(help="Folder of one node, e.g. hansa-demo/orgs/bank/nodes/bank.")]


def verify(context: typer.Context, directory: NodeDir) -> None:
    """Check a stopped node's whole ledger offline.

    Every block is executed again; every signature, certificate, root and receipt is compared.
    """
    import time

    from hansa.cli.errors import LedgerBroken
    from hansa.cli.recovery.healing import check_stopped, find_damage, open_node_folder

    screen = screen_of(context)
    folder = open_node_folder(directory)
    check_stopped(folder)
    began = time.monotonic()
    findings = find_damage(folder)
    if findings:
        facts = [finding.as_json() for finding in findings]
        if not screen.json:
            screen.data(facts, "\n".join(str(finding) for finding in findings))
        raise LedgerBroken(
            f"{len(findings)} things do not hold in {directory}", f"hansa repair {directory}", findings=facts
        )
    screen.step("verified", str(directory), f"{time.monotonic() - began:.1f} s")
    screen.data({"directory": str(directory), "findings": []}, "")


def repair(
    context: typer.Context,
    directory: NodeDir,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the other nodes.")] = 300.0,
) -> None:
    """Heal a stopped node from the others.

    Damaged files are put aside, the blocks are fetched again with their certificates, and all is checked again.
    """
    from hansa.cli.recovery.healing import repair_node

    repair_node(screen_of(context), directory, yes, timeout)


def node_run(directory: NodeDir) -> None:
    """Run one node until it is told to stop."""
    from hansa.node.supervise import run_node

    code = run_node(directory)
    if code:
        raise typer.Exit(code)
