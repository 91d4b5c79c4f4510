"""A comparison as a table for papers and pages: LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable

from narrows.evaluation.comparison import Comparison

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
}  # fmt: skip
"""Characters that mean something else in LaTeX, and how they are written."""


def latex(comparison: Comparison) -> str:
    """Return the table in LaTeX, one measure a row; needs the package booktabs. The best of each row is bold."""

    def text(cell: str) -> str:
        return "".join(LATEX.get(c, c) for c in cell)

    header, *rows = _turned(comparison, lambda cell: rf"\textbf{{{text(cell)}}}", text)
    lines = [" & ".join(row) + r" \\" for row in rows]
    columns = "l" + "r" * (len(header) - 1)
    head = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(header) + r" \\", r"\midrule"]
    return "\n".join([*head, *lines, r"\bottomrule", r"\end{tabular}", ""])


def markdown(comparison: Comparison) -> str:
    """Return the table in Markdown, one measure a row. The best of each row is bold."""

    def text(cell: str) -> str:
        return cell.replace("|", r"\|")

    header, *rows = _turned(comparison, lambda cell: f"**{text(cell)}**", text)
    ruler = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ruler, *rows]) + "\n"


def _turned(comparison: Comparison, bold: Callable[[str], str], text: Callable[[str], str]) -> list[list[str]]:
    """Return the table with models as columns, and its cells as text."""
    names, *_ = zip(*comparison.table(), strict=True)
    table = [["", *map(text, names[1:])]]
    for measure, cells in zip(comparison.measures, list(zip(*comparison.table(), strict=True))[1:], strict=True):
        best = comparison.best(measure)
        marked = [bold(c) if name == best else text(c) for name, c in zip(names[1:], cells[1:], strict=True)]
        table.append([text(measure), *marked])
    return table
