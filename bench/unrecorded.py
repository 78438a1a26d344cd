"""This project's server, but what agents change is not written down: what that costs is the difference.

`python -m bench.unrecorded serve …` takes what `manage.py` takes.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")
    django.setup()
    # It wants Django to be there.
    from mcp_tools.recording import RecordedPerson

    RecordedPerson.change = RecordedPerson.execute  # type: ignore[method-assign]
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
