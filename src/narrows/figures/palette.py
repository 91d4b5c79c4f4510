"""The colours of all pictures."""

INK, FAINT, RULE = "#1c1f24", "#6b7280", "#d7dade"
"""Text and originals; secondary text; axes."""
ACCENT, SECOND = "#c8452d", "#2f6db5"
"""What the model made; what it is held against."""
CLASSES = (
    "#2f6db5", "#e08a1e", "#3a9a56", "#c8452d", "#8460b8", "#8a5a44", "#d874b1", "#7a7f87", "#b3a92b", "#2aa9b8",
    "#14365e", "#8f5200", "#12572a", "#7a1d0d", "#452c70", "#47291c", "#8c2f68", "#33373d", "#615b07", "#0c5c66",
)  # fmt: skip
