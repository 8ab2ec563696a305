"""A study in one folder: :func:`begin_study` writes it, :func:`run_study` takes it from files to a page."""

from .begin import begin_study
from .run import StudyResult, run_study

__all__ = ["StudyResult", "begin_study", "run_study"]
