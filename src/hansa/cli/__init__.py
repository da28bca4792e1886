"""The command `hansa`. Nothing heavy is imported before a command runs: `hansa --help` costs ≤ 0.2 CPU seconds."""


def main() -> None:
    """Run the command line of this process and end it with the exit code of ux.md 3.9."""
    import sys

    from hansa.cli.app import run

    sys.exit(run(sys.argv[1:]))
