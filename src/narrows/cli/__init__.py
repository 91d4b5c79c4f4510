"""The command line. It imports nothing heavy before a command needs it, so that help is instant."""

from narrows.cli.app import main

__all__ = ["main"]
