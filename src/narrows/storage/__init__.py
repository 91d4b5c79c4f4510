"""Files that are either complete or absent, and that are checked before they are trusted.

atomic   writing a file so that a reader sees the old one or the new one; opening a regular file
json     objects as JSON, with limits on size, depth and number of values, in reading and in writing
form     the form that an object from JSON must have
lines    JSON lines: histories, one epoch a line
tensors  safetensors files
columns  rows of named columns, for other programs
record   a JSON file together with the tensors and lines that belong to it
lock     one process per folder
process  which process something is
"""
