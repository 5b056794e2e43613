"""Forms: form-js forms, checked on the server as they are in the browser."""

from __future__ import annotations

from camunda_workers.tasks.forms.check import check_form
from camunda_workers.tasks.forms.feel import EngineFeel, FeelEvaluator, NoFeel, feel_here
from camunda_workers.tasks.forms.schema import FormModel, read_form
from camunda_workers.tasks.forms.submission import Surroundings, check_submission

__all__ = ["EngineFeel", "FeelEvaluator", "FormModel", "NoFeel", "Surroundings", "check_form", "check_submission", "feel_here", "read_form"]
