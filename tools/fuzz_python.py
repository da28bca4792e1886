"""One Python decoder under Atheris: `fuzz_python.py TARGET [libFuzzer's options and folders]`."""

import sys

import atheris

with atheris.instrument_imports(include=["hansa", "tomllib"]):
    from tests.fuzz.targets import run


def main() -> None:
    """Hand everything behind the target's name to libFuzzer."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
