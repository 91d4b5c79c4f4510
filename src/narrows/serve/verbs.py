"""What is asked of a model: encode, decode, reconstruct, score, denoise; their inputs, their outputs, and the answer.

A request is checked by itself, before it waits; only what is sound is computed together with others.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np

from narrows.data.arrays import Array, Arrays, as_type
from narrows.errors import DataError
from narrows.estimators import inference
from narrows.estimators.base import Autoencoder
from narrows.export.columns import Columns
from narrows.export.runtime import OnnxModel
from narrows.serve.checks import checked_tensors, cut, plain
from narrows.serve.joining import joined, joined_tensors
from narrows.serve.ports import SAMPLES, Port, codes, labels, rows
from narrows.serve.tensors import datatype_of, numpy_type

Tensors = Mapping[str, Array]


class Question(NamedTuple):
    """A request that is sound: as torch computes it, or as ONNX Runtime does."""

    arrays: Arrays | None = None
    """Samples on the model's scale; of `decode` x are codes, and y labels as they were given."""
    exported: Mapping[str, Array] | None = None
    """What the exported model takes."""
    like: Array | None = None
    """The samples as they were given, whose order of axes the answer has."""

    def __len__(self) -> int:
        return len(self.arrays.x if self.arrays is not None else next(iter((self.exported or {}).values())))

    @property
    def lengths(self) -> Array | None:
        """(N,), steps of sequences that differ in length; None for others."""
        return self.arrays.lengths if self.arrays is not None else (self.exported or {}).get("lengths")


class Verb(ABC):
    """Something that is asked of a fitted model.

    Parameters
    ----------
    model
        A fitted estimator; it is not changed.
    onnx
        The same model, exported; None where torch computes everything.

    Attributes
    ----------
    inputs, outputs
        What it takes and gives; `output` is the first of these, or the only one.
    columns
        Of a table with typed columns, which samples are two tensors of.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    function: ClassVar[str]
    """The function of the exported model that answers."""

    def __init__(self, model: Autoencoder, onnx: OnnxModel | None = None) -> None:
        self.onnx = onnx
        self.model = copy(model)
        # Tensors have no names of columns, of which every request would be warned.
        self.model.__dict__.pop("feature_names_in_", None)
        self.schema = replace(model.schema_, frame=None)
        self.owner = type(model).__name__
        self.columns = None if self.schema.types is None else Columns(self.schema.types)
        self.inputs, self.outputs = self.takes(), self.gives()
        self.output = self.outputs[0]
        self._known = {port.name for port in self.inputs}
        self._needed = {port.name for port in self.inputs if not port.optional}

    @abstractmethod
    def takes(self) -> tuple[Port, ...]:
        """Return what it takes, which is `inputs`."""

    @abstractmethod
    def gives(self) -> tuple[Port, ...]:
        """Return what it gives, which is `outputs`."""

    @abstractmethod
    def question(self, tensors: Tensors) -> Question:
        """Return a request that is sound. Raises: DataError or ValueError where it is not."""

    @abstractmethod
    def answer(self, arrays: Arrays) -> Array:
        """Return the answer to all rows, in the units of the output."""

    def presented(self, result: Array, question: Question) -> Array:
        """Return the answer to a question as its output holds it."""
        return np.ascontiguousarray(result)

    def answers(self, questions: Sequence[Question]) -> list[Array]:
        """Return the answers to several questions, computed together."""
        by_torch = [i for i, question in enumerate(questions) if question.arrays is not None]
        by_onnx = [i for i, question in enumerate(questions) if question.arrays is None]
        answers: dict[int, Array] = {}
        for positions, compute in ((by_torch, self._by_torch), (by_onnx, self._by_onnx)):
            if positions:
                chosen = [questions[i] for i in positions]
                ends = np.cumsum([len(question) for question in chosen])
                parts = np.split(compute(chosen), ends[:-1])
                answers |= {i: self.presented(part, questions[i]) for i, part in zip(positions, parts, strict=True)}
        return [answers[i] for i in range(len(questions))]

    def _by_torch(self, questions: Sequence[Question]) -> Array:
        return self.answer(joined([question.arrays for question in questions if question.arrays is not None]))

    def _by_onnx(self, questions: Sequence[Question]) -> Array:
        assert self.onnx is not None
        tensors = joined_tensors([question.exported for question in questions if question.exported is not None])
        parts = [self.onnx.run(self.function, port.name, tensors) for port in self.outputs]
        if len(parts) > 1:
            return np.concatenate(parts, 1)
        return as_type(parts[0], numpy_type(self.output.name, self.output.datatype))

    def tensors(self, result: Array) -> dict[str, Array]:
        """Return an answer as its outputs, by name: that of typed columns has numbers, and levels after them."""
        if len(self.outputs) == 1 and self.columns is None:
            return {self.output.name: result}
        if self.output.name not in SAMPLES:
            return {self.output.name: result}
        ends = np.cumsum([port.shape[1] for port in self.outputs])[:-1]
        parts = zip(self.outputs, np.split(result, ends, 1), strict=True)
        return {port.name: part.astype(numpy_type(port.name, port.datatype)) for port, part in parts}

    def in_units(self, x: Array) -> Array:
        """Return samples of the model's scale in the units of the data; of typed columns numbers and levels."""
        if self.columns is None:
            return self.schema.in_units(x)
        return np.concatenate(list(self.columns.decoded(x).values()), 1)

    def check_names(self, tensors: Tensors) -> None:
        """Raise DataError where an input is missing, or there is one that it does not take."""
        if not self._needed <= tensors.keys() <= self._known:
            optional = [f"{port.name} if wanted" for port in self.inputs if port.optional]
            names = ", ".join([port.name for port in self.inputs if not port.optional] + optional)
            raise DataError(f"{self.name}: inputs must be {names}; got {', '.join(sorted(tensors))[:100] or 'none'}.")


class OfSamples(Verb):
    """Asks something of samples."""

    def takes(self) -> tuple[Port, ...]:
        """Return samples, the steps of padded sequences, and labels for a model with a condition."""
        lengths = (Port("lengths", "INT64", (-1,), optional=True),) if self.schema.ragged else ()
        return (*rows(self.schema, "x"), *lengths, *labels(self.schema))

    def question(self, tensors: Tensors) -> Question:
        """Return samples, checked as the estimator checks them, on the model's scale."""
        self.check_names(tensors)
        if self.columns is not None:
            return self._typed(self.columns, tensors)
        X = tensors["x"]
        given = X if "lengths" not in tensors else cut(X, tensors["lengths"], self.name)
        y = plain(tensors.get("y"))
        if self.onnx is not None:
            with contextlib.suppress(DataError, ValueError, TypeError):  # said by the estimator, in its own words
                return Question(exported=self.onnx.inputs(given, y), like=X)
        return Question(self.model.arrays(given, y), like=X)

    def _typed(self, columns: Columns, tensors: Tensors) -> Question:
        """Return rows of typed columns, checked."""
        parts = checked_tensors(columns, tensors, self.name)
        n = len(next(iter(parts.values())))
        known = {}
        if self.schema.label_size:
            known["y"] = self.schema.labels_of(plain(tensors.get("y")), n, self.owner)
        if self.onnx is not None:
            return Question(exported={**parts, **known})
        x, seen = columns.encoded(parts)
        return Question(
            Arrays(x.astype(self.model.computing_dtype), None if seen.all() else seen, None, known.get("y"))
        )


class Encode(OfSamples):
    """The codes of samples, without noise."""

    name, about = "encode", "The codes of samples, without noise."
    function = "encoder"

    def gives(self) -> tuple[Port, ...]:
        """Return codes."""
        return (codes(self.model),)

    def answer(self, arrays: Arrays) -> Array:
        """Return the codes."""
        return inference.encode(self.model, arrays)


class Reconstruct(OfSamples):
    """Samples decoded from their codes."""

    name, about = "reconstruct", "Samples decoded from their codes, in the units of the data."
    function = "reconstruct"

    def gives(self) -> tuple[Port, ...]:
        """Return samples."""
        return rows(self.schema, "reconstruction")

    def answer(self, arrays: Arrays) -> Array:
        """Return reconstructions."""
        return self.in_units(inference.reconstruct_encoded(self.model, arrays))

    def presented(self, result: Array, question: Question) -> Array:
        """Return reconstructions as x was given, padded sequences with 0 after their ends."""
        lengths = question.lengths
        if self.columns is not None:
            return result
        if lengths is None:
            return np.ascontiguousarray(self.schema.presented(result, like=question.like))
        assert question.like is not None
        X = result[:, : question.like.shape[1]]
        missing = question.like.shape[1] - X.shape[1]
        X = np.pad(X, ((0, 0), (0, missing), (0, 0))) if missing else X
        beyond = np.arange(X.shape[1]) >= lengths[:, None]
        return np.where(beyond[..., None], X.dtype.type(0), X)


class Denoise(Reconstruct):
    """Noisy samples, cleaned: their reconstructions."""

    name = "denoise"
    about = "Noisy samples, cleaned: their reconstructions. Best by a model that was trained with a corruption."


class Score(OfSamples):
    """How normal samples are."""

    name, about = "score", "How normal each sample is, in nats of the data as given: higher is more normal."
    function = "score"

    def gives(self) -> tuple[Port, ...]:
        """Return one number for each sample."""
        return (Port("score", datatype_of(self.model.computing_dtype), (-1,)),)

    def answer(self, arrays: Arrays) -> Array:
        """Return the scores."""
        return inference.map_batches(self.model, self.model.module_.score, arrays, exact=True)


class Decode(Verb):
    """The samples that codes stand for."""

    name, about = "decode", "The samples that codes stand for, the mean over x, in the units of the data."
    function = "decoder"

    def takes(self) -> tuple[Port, ...]:
        """Return codes, and labels for a model with a condition."""
        return (codes(self.model), *labels(self.schema))

    def gives(self) -> tuple[Port, ...]:
        """Return samples, sequences as long as the longest of training."""
        ports = rows(self.schema, "x")
        return (ports[0]._replace(shape=(-1, *self.schema.sample_shape)),) if self.schema.ragged else ports

    def question(self, tensors: Tensors) -> Question:
        """Return codes, checked as the estimator checks them."""
        self.check_names(tensors)
        Z, y = self.model.check_codes(tensors["z"]), plain(tensors.get("y"))
        if self.schema.label_size:
            self.schema.labels_of(y, len(Z), self.owner)
        if self.onnx is not None:
            given = {"y": self.schema.labels_of(y, len(Z), self.owner)} if self.schema.label_size else {}
            return Question(exported={"z": np.ascontiguousarray(Z, self.onnx.form.code["dtype"]), **given})
        return Question(Arrays(Z, y=y))

    def answer(self, arrays: Arrays) -> Array:
        """Return samples."""
        return self.in_units(self.model.decode(arrays.x, arrays.y))

    def presented(self, result: Array, question: Question) -> Array:
        """Return samples in the order of axes that those of fit had."""
        return result if self.columns is not None else np.ascontiguousarray(self.schema.presented(result))


VERBS: dict[str, type[Verb]] = {verb.name: verb for verb in (Encode, Decode, Reconstruct, Score, Denoise)}
