"""Runs: one folder each, with what was trained on what, how it went, the pictures, and the model.

names.py      the names of new folders
folder.py     Run: the only class that knows the layout of the folder
form.py       the form of run.json
dataset.py    dataset_of: the data of a run, loaded again, or others for its model
listing.py    runs side by side: sorted, filtered, and what differs
recording.py  record and resume: training that is written down as it goes
description.py  what is written down before it begins
summary.py    summarise: how well the model does at the end, beside PCA
pictures.py   the pictures of a model, during training and at its end
frames.py     Frames: reconstructions and samples of every epoch, as numbers
notebook.py   what a notebook shows of a run
trackers.py   the same records for TensorBoard
"""

from narrows.runs.dataset import dataset_of
from narrows.runs.folder import Run
from narrows.runs.loading import load
from narrows.runs.names import next_folder
from narrows.runs.recording import record, resume
from narrows.runs.summary import summarise

__all__ = ["Run", "dataset_of", "load", "next_folder", "record", "resume", "summarise"]
