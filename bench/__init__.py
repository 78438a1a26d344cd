"""How fast the server is, next to other ways to build it: `python -m bench --help`, and README.md here."""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
# The project that is measured.
ROOT: Final = HERE.parent
