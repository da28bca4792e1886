"""How a checker objects."""


class Violation(Exception):
    """A property does not hold. Not an expected failure: it ends the run."""

    def __init__(self, checker: str, what: str) -> None:
        super().__init__(f"{checker}: {what}")
        self.checker = checker
