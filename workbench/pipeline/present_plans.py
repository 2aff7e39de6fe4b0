"""What the experiment files of a study ask for now: their plans, and the stored work units that these need."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from workbench.errors import Problems, WorkbenchError
from workbench.pipeline.experiment_plan import ExperimentPlan, plan_experiment
from workbench.pipeline.named_estimators import all_settled
from workbench.pipeline.progress import Progress
from workbench.pipeline.single_run import needed_units
from workbench.pipeline.study_data import StudyData, load_study_data
from workbench.study import Study


class PresentPlans:
    """The plans of a study, its data read when they are first asked for.

    Parameters
    ----------
    study : Study
    progress : Progress
    """

    def __init__(self, study: Study, progress: Progress) -> None:
        self.study = study
        self._progress = progress
        self._plans: dict[str, ExperimentPlan | str] = {}

    @cached_property
    def _loaded(self) -> StudyData | str:
        problems = Problems()
        if self.study.data_problem() is not None:
            return "the data are not here"
        loaded = load_study_data(self.study, problems=problems, progress=self._progress)
        return "the study has problems, which workbench check lists" if loaded is None or len(problems) else loaded

    def plan(self, experiment: str) -> ExperimentPlan | str:
        """The plan of an experiment.

        Parameters
        ----------
        experiment : str
            A name that an experiment file has.

        Returns
        -------
        ExperimentPlan or str
            Why there is none, in words.
        """
        if experiment not in self._plans:
            self._plans[experiment] = self._planned(experiment)
        return self._plans[experiment]

    def _planned(self, experiment: str) -> ExperimentPlan | str:
        loaded = self._loaded
        if isinstance(loaded, str):
            return loaded
        problems = Problems()
        try:
            chosen = all_settled(self.study, dict([self.study.experiment(experiment)]))
            plan = plan_experiment(loaded, experiment, chosen[experiment], problems=problems)
        except WorkbenchError:
            plan = None
        if plan is None or len(problems):
            return f"the experiment has problems, which workbench check {experiment} lists"
        return plan

    def needed(self, experiment: str) -> list[Path] | str:
        """Lists of the work units that the runs of an experiment need.

        Parameters
        ----------
        experiment : str

        Returns
        -------
        list of Path or str
            Whether or not they are there; else why it cannot be told.
        """
        plan = self.plan(experiment)
        if isinstance(plan, str):
            return plan
        return [needed_units(self.study, experiment, planned) for planned in plan.runs]
