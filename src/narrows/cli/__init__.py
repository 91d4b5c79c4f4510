"""The command line. No file imports anything heavy at its top that the list of commands needs, so that help is instant.

app.py        the commands, and what becomes of errors and signals
arguments.py  flags: those of data, which all commands share, and those made from parameters
config.py     a training as flags, a TOML file and defaults ask for it
train.py      train, resume
sweep.py      sweep
recipes.py    recipes, recipe
runs.py       runs, rename, delete
show.py       show, data
use.py        encode, score, reconstruct, sample
evaluate.py   evaluate, diagnose, compare
analyses.py   a command for every analysis
plugins.py    a Python file that the user wrote, imported before the command
locate.py     which run a name means
samples.py    which samples flags mean, and the files that are written
scores.py     what score measures and prints
measures.py   what evaluate and compare print
advice.py     what could be better in a run
summary.py    tables of results
progress.py   the bar on a terminal, plain lines elsewhere
console.py    consoles, and how numbers are written
"""

from narrows.cli.app import main

__all__ = ["main"]
