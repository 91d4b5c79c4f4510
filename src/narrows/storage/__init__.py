"""Files that are whole or absent, and that are checked before they are believed."""
