"""Discrete steps against numpy, combination by combination."""

from dataclasses import replace

from pcsim.conformance.agreement import assert_agreement
from pcsim.conformance.cases import reference
from pcsim.conformance.descents import Combination, Variant, seen_by, task_of, variant_task
from pcsim.conformance.subject import Subject


def test_steps_agree_with_numpys(subject: Subject, combination: Combination) -> None:
    assert_agreement(subject, task_of(combination), reference())


def test_what_is_asked_beside_agrees_with_numpy_or_is_refused(subject: Subject, variant: Variant) -> None:
    seen = replace(subject, backend=seen_by(subject.backend, variant))
    assert_agreement(seen, variant_task(variant), seen_by(reference(), variant))
