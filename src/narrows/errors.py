"""Every exception that narrows raises on purpose.

    Exception
    └── NarrowsError                 catch this one to catch all of them
        ├── ConfigError              a field or option outside what it may be       (also a ValueError)
        ├── DataError                data that cannot be used                       (also a ValueError)
        │   └── DownloadError        a data set that could not be fetched           (also an OSError)
        ├── TrainingError            training cannot go on                          (also a RuntimeError)
        │   └── DivergedError        a loss or gradient that is not finite
        └── FormatError              a model, run or data file that is not sound    (also a ValueError)

Messages follow one form: ``{Class}: {param} must be {constraint}; got {value!r}. {What to do.}``
"""

from __future__ import annotations

from collections.abc import Iterable


class NarrowsError(Exception):
    """Base of every error that narrows raises on purpose."""


class ConfigError(NarrowsError, ValueError):
    """A field, flag or option has a value that it may not have."""


class DataError(NarrowsError, ValueError):
    """The data cannot be used as they are."""


class DownloadError(DataError, OSError):
    """A data set could not be fetched; the message says where to put the files by hand."""


class TrainingError(NarrowsError, RuntimeError):
    """Training cannot start or go on."""


class DivergedError(TrainingError):
    """A loss or a gradient was not finite; the last good weights are kept."""


class FormatError(NarrowsError, ValueError):
    """A file is not what it says it is, or was written by something else."""


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """Return " Did you mean 'x'?" for the nearest of `known`, or an empty string.

    Parameters
    ----------
    name
        What was asked for.
    known
        An iterable of the names that exist.
    """
    from difflib import get_close_matches

    near = get_close_matches(str(name).lower(), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
