"""Run folders: what was trained on what, how it went, the pictures, and the model."""

from narrows.runs.folder import PICTURES, Run, load, next_folder, record, resume, summarise

__all__ = ["PICTURES", "Run", "load", "next_folder", "record", "resume", "summarise"]
