"""The command `hansa`. Nothing heavy is imported before a command runs: `hansa --help` costs ≤ 0.2 CPU seconds."""


def main() -> None:
    """Run the command line of this process and end it with an exit code of docs/reference/errors.md."""
    import sys

    from hansa.cli.app import run

    sys.exit(run(sys.argv[1:]))
