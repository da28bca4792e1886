"""`_native.pyi` says exactly what the built extension offers."""

import subprocess
import sys


def test_the_stub_fits_the_extension() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "hansa._native"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
