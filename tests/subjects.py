"""Runs that have a model and no pictures, for tests of analyses."""

from narrows.analyses import Subject
from narrows.runs import Run
from narrows.runs.description import description_of


def run_of(folder, estimator, dataset):
    """Fit an estimator to a data set, and return a run that holds it."""
    fitted = estimator.fit(dataset.train)
    run = Run.create(folder, description_of(fitted, dataset, folder, None))
    fitted.save(run.model_folder)
    return run


def subject_of(folder, estimator, dataset, **given):
    """Return the subject of an analysis of such a run."""
    return Subject(run_of(folder, estimator, dataset), dataset, **given)
