"""Data sets by name or from files, as one frozen `Dataset`.

dataset.py    Dataset; dividing rows into parts
catalogue.py  load_dataset, DATASETS
embedded.py   inside other packages or drawn: mnist-5k, digits, cloud, arc
factors.py    rendered from known factors: shapes
named.py      published: mnist, fashion-mnist, binarized-mnist, lfw
celeba.py     published: celeba
arrays.py     .npy, .npz, .mat, IDX
tables.py     .csv, .parquet
images.py     folders and zip archives of images
reading.py    what all readers check before they believe a file
folders.py    where data sets lie
download.py   fetching one file
"""

from narrows.data.catalogue import DATASETS, Entry, load_dataset
from narrows.data.dataset import Dataset, split_rows
from narrows.data.folders import cache_folder

__all__ = ["DATASETS", "Dataset", "Entry", "cache_folder", "load_dataset", "split_rows"]
