"""A schema in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from narrows.data.schema import Schema

ORDERS = {"NHWC": "given with the channels last", "NHW": "given without an axis of channels"}


def in_words(schema: Schema) -> str:
    """Return the form and the scale of samples in words."""
    if schema.types is not None:
        columns = "\n".join(f"  {column.name}: {column}" for column in schema.types)
        left = sum(not column.modelled for column in schema.types)
        aside = f", {left} of them left out of the model" if left else ""
        return f"table of {len(schema.types)} columns{aside}\n{columns}"
    sizes = " x ".join("?" if n is None else str(n) for n in schema.shape)
    each = {"table": "column", "sequences": "feature", "images": "channel"}[schema.kind]
    words: dict[Any, str] = {
        "pixels": "pixels scaled by 1/255",
        "standard": f"every {each} scaled to mean 0 and deviation 1",
        "minmax": f"every {each} scaled to [0, 1]",
        None: "values as they are",
    }
    parts = [f"{schema.kind} of {sizes} {schema.dtype}", words.get(schema.scale, f"values divided by {schema.scale}")]
    if schema.axes is not None:
        parts.insert(1, ORDERS[schema.axes])
    if schema.columns is not None:
        parts.append("columns " + ", ".join(schema.columns[:12]) + (", ..." if len(schema.columns) > 12 else ""))
    if schema.missing:
        parts.append("some values missing")
    if schema.levels is not None:
        parts.append("classes " + ", ".join(map(str, schema.levels[:12])))
    return "; ".join(parts)
