#!/usr/bin/env python
"""Django's command line for this project."""

import gc
import os
import sys


def main() -> None:
    # To load the application makes much that stays: the collector would look through it hundreds of times, in vain.
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")
    from django.core.management import ManagementUtility
    from django.core.management.base import BaseCommand

    class Utility(ManagementUtility):
        def fetch_command(self, subcommand: str) -> BaseCommand:
            command = super().fetch_command(subcommand)
            # All of it is loaded by now, and need not be looked through later, either.
            gc.freeze()
            gc.enable()
            return command

    Utility(sys.argv).execute()


if __name__ == "__main__":
    main()
