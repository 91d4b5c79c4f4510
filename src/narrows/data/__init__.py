"""Data sets by name or from files, as one frozen `Dataset`.

dataset    Dataset, its splits, and what readers return
splits     dividing rows
options    checks of options
catalogue  load_dataset, DATASETS
builtin    inside other packages or drawn: mnist-5k, digits, cloud, arc
factors    rendered from known factors: shapes
published  mnist, fashion-mnist, binarized-mnist, lfw
celeba     celeba
folders    where data sets lie
download   fetching one file
readers    files: .npy, .npz, .mat, IDX, .csv, .parquet, folders and zip archives of images
"""

from narrows.data.catalogue import DATASETS, Entry, load_dataset
from narrows.data.dataset import Dataset, RowIds, Split
from narrows.data.folders import cache_folder
from narrows.data.splits import split_rows

__all__ = ["DATASETS", "Dataset", "Entry", "RowIds", "Split", "cache_folder", "load_dataset", "split_rows"]
