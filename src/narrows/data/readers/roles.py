"""Which array of a file is what: samples, labels, and the splits, by their usual names."""

from __future__ import annotations

from narrows.errors import ConfigError, DataError, did_you_mean

_TRAIN = ("X_train", "x_train", "train_X", "train_x", "train_images", "train_data", "train", "X", "x", "data", "images",
          "samples", "features")  # fmt: skip
_TEST = ("X_test", "x_test", "test_X", "test_x", "test_images", "test_data", "test")
_VALIDATION = ("X_valid", "X_val", "x_valid", "x_val", "val_X", "val_x", "val_images", "val_data", "validation",
               "valid", "val")  # fmt: skip
_TRAIN_LABELS = ("y_train", "train_y", "train_labels", "Y", "y", "labels", "label", "target", "targets")
_TEST_LABELS = ("y_test", "test_y", "test_labels")
_VALIDATION_LABELS = ("y_valid", "y_val", "val_y", "val_labels", "validation_labels")
KNOWN = frozenset({*_TRAIN, *_TEST, *_TRAIN_LABELS})
"""Names of arrays that say what they are."""


def choose(shapes: dict[str, tuple[int, ...]], variable: str | None, label: str | None, what: str) -> dict[str, str]:
    """Return the name of the array for each role: train, test, validation, and each with `_labels`."""
    for option, name in (("variable", variable), ("label", label)):
        if name is not None and name not in shapes:
            raise ConfigError(
                f"load_dataset: {option} must be one of {', '.join(sorted(shapes)) or 'no arrays'} in {what!r}; "
                f"got {name!r}.{did_you_mean(name, shapes)}"
            )
    roles = {
        "train": _TRAIN if variable is None else (variable,),
        "test": _TEST,
        "validation": _VALIDATION,
        "train_labels": _TRAIN_LABELS if label is None else (label,),
        "test_labels": _TEST_LABELS,
        "validation_labels": _VALIDATION_LABELS,
    }
    chosen = {role: next((n for n in names if n in shapes), None) for role, names in roles.items()}
    if chosen["train"] is None:
        matrices = [name for name, shape in shapes.items() if len(shape) >= 2 and name not in chosen.values()]
        if len(matrices) > 1:  # of a column beside a matrix, the column is not the samples
            matrices = [name for name in matrices if 1 not in shapes[name]] or matrices
        if len(matrices) != 1:
            raise DataError(
                f"load_dataset: {what!r} must hold one array of samples, or one named X; "
                f"got {', '.join(f'{n} {s}' for n, s in shapes.items()) or 'no numbers'}. Choose it with variable=."
            )
        chosen["train"] = matrices[0]
    if variable is not None:  # a chosen variable stands alone; its rows are divided by seed
        chosen["test"] = chosen["validation"] = None
        known = chosen["train_labels"]
        if label is None and known is not None and shapes[known][:1] != shapes[variable][:1]:
            chosen["train_labels"] = None  # those of other samples
    return {
        role: name for role, name in chosen.items() if name is not None and (role == "train" or name != chosen["train"])
    }
