"""The trainings, called with all their settings as keywords."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from isic.method import classifier, recognizer, segmenter
from isic.settings.sections import Classifier, Plain, Segmenter, Training
from isic.training import loop
from isic.training.loop import Job


def _flat(function: Callable[..., Any], section: type) -> Callable[..., Any]:
    """The function with the settings of its section and job as keywords."""
    own = {field.name for field in dataclasses.fields(section)}
    of_job = {field.name for field in dataclasses.fields(Job)}

    def call(*arguments: Any, **values: Any) -> Any:
        settings = section(**{name: values.pop(name) for name in own & values.keys()})
        job = Job(**{name: values.pop(name) for name in of_job & values.keys()})
        return function(*arguments, settings, job, **values)

    return call


train = _flat(loop.train, Training)
train_classifier = _flat(classifier.train_classifier, Classifier)
train_segmenter = _flat(segmenter.train_segmenter, Segmenter)
train_recognizer = _flat(recognizer.train_recognizer, Plain)
