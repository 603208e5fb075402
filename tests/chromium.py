"""Headless Chromium, where a machine has it."""

import shutil
import subprocess

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

needed = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")


def run(*arguments: str) -> str:
    """What it prints."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
