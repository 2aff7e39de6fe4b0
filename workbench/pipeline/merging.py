"""Another copy of a study merged into this one: the results viewed there, its finished runs, and work that is done.

The order is that of every run: a result is counted in the ledger before anything of it can be read here. Whatever stops
a merge, both copies hold what they held, and the next merge adds the rest.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Problem, StoreError, WorkbenchError, listed
from workbench.pipeline.interrupting import can_be_interrupted
from workbench.pipeline.notebook_progress import usual_progress
from workbench.pipeline.permissions import no_wider_than_study
from workbench.pipeline.present_plans import PresentPlans
from workbench.pipeline.progress import Progress
from workbench.pipeline.pseudonymised import KEY_FILE
from workbench.pipeline.study_data import optional_path
from workbench.specs.cohort import COHORT_FILE
from workbench.specs.hashing import settings
from workbench.study import Study, open_study
from workbench.whole_files import TEMPORARY, written_whole

if TYPE_CHECKING:
    from workbench.preregistration.viewed import Look
    from workbench.tracking import StoredRun

OTHER_DATA = "was made from other data than this study has now"


@dataclass(frozen=True)
class Refused:
    """Something of the other copy that was not brought here, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Merged:
    """What a merge brought, what was here already, and what was refused.

    Attributes
    ----------
    other : Path
        The folder of the other copy.
    brought, there : mapping of str to int
        By kind: results viewed, plans frozen, runs, pieces of work.
    refused : tuple of Refused
    to_judge_again : tuple of str
        Runs that were judged before results of the other copy were known here, or there; a sentence each.
    """

    other: Path
    brought: Counter[str]
    there: Counter[str]
    refused: tuple[Refused, ...]
    to_judge_again: tuple[str, ...]


@can_be_interrupted
@no_wider_than_study
def merge(
    other: str | Path,
    *,
    study: str | Path = ".",
    data: str | Path | None = None,
    other_data: bool = False,
    progress: Progress | None = None,
) -> Merged:
    """Bring what another copy of the same study has stored into this one; the other copy is only read.

    Lines of its ledger of results viewed and its frozen plans are added to those here, none is lost and none is moved;
    finished runs come under their own ids with every file, checked against the digests that were kept with them; work
    units come where a plan of this study would take them up. A second merge changes nothing.

    Parameters
    ----------
    other : path
        The folder of the other copy, or its ``mlruns``.
    study, data : path
        The study folder, and where its data are if not where ``cohort.toml`` says.
    other_data : bool
        Also runs that were made from other data than this study has now, such as those of an earlier release.
    progress : Progress, optional

    Returns
    -------
    Merged

    Raises
    ------
    WorkbenchError
        If the other folder is no copy of this study, or a ledger is damaged; nothing is changed then.
    """
    progress = progress or usual_progress()
    opened = open_study(Path(study), optional_path(data))
    theirs = _other_study(Path(other))
    _refuse_other_study(opened, theirs)
    plans = PresentPlans(opened, progress)
    merging = _Merging(opened, theirs, plans, other_data, progress)
    return merging.merged()


def _other_study(path: Path) -> Study:
    """The study that a folder is, or whose store it is."""
    folder = path.expanduser().resolve()
    for root in (folder, folder.parent):
        if (root / COHORT_FILE).is_file():
            return open_study(root)
    hint = "name the folder that holds features/, experiments/ and mlruns/: results are counted in experiments/"
    raise StoreError(Problem(str(path), "is no copy of a study" if folder.is_dir() else "no such folder", hint))


def _refuse_other_study(study: Study, other: Study) -> None:
    """Participants, sessions and scores must be declared alike: whose results they are is what a ledger counts."""
    from workbench.preregistration.frozen import differences

    if other.root == study.root:
        raise StoreError(Problem(str(other.root), "is this study itself", "name the folder of another copy"))
    both = ({COHORT_FILE: settings(each.cohort)} for each in (study, other))
    different = differences(*both)
    if different:
        hint = "nothing was merged; bring features/cohort.toml of both to one state, then merge again"
        raise StoreError(Problem(str(other.root), f"is another study ({listed(different, 3)})", hint))


class _Merging:
    """One merge, step after step."""

    def __init__(self, study: Study, other: Study, plans: PresentPlans, other_data: bool, progress: Progress) -> None:
        from workbench import tracking
        from workbench.preregistration.frozen import read_every_frozen
        from workbench.preregistration.viewed import read_looks

        self.study, self.other, self.plans, self.progress = study, other, plans, progress
        self.other_data = other_data
        self.own_looks, self.their_looks = read_looks(study), read_looks(other)
        self.their_frozen = read_every_frozen(other)
        self.their_runs, self.own_runs = tracking.stored_runs(other), tracking.stored_runs(study)
        self.brought: Counter[str] = Counter()
        self.there: Counter[str] = Counter()
        self.refused: list[Refused] = []
        self._on_other_data: set[str] = set()

    def merged(self) -> Merged:
        """Everything, in the order in which it may be seen."""
        looks = [look for look in self.their_looks if self._is_counted(look)]
        self._count(looks)
        counted = {look.run_id: look for look in looks}
        for position, run in enumerate(self.their_runs):
            self.progress.advance("runs", position, len(self.their_runs))
            self._bring_run(run, counted.get(run.run_id))
        self._bring_key()
        for folder in sorted(path for path in self.other.units_dir.glob("*") if path.is_dir()):
            self._bring_units(folder)
        again = tuple(self._judged_in_ignorance())
        return Merged(self.other.root, self.brought, self.there, tuple(self.refused), again)

    # ------------------------------------------------------------------------------------------------------ ledgers

    def _is_counted(self, look: Look) -> bool:
        """Whether a result viewed there is one of this study; one at other data is refused with its run."""
        if self.other_data or look.cohort or look in self.own_looks or not self._of_other_data(look):
            return True
        self._on_other_data.add(look.run_id)
        hint = "where its data were changed since, merge with --other-data: the result is counted then"
        self.refused.append(Refused(f"{look.run} of {look.experiment} ({look.run_id[:8]})", f"{OTHER_DATA}; {hint}"))
        return False

    def _of_other_data(self, look: Look) -> bool:
        """Whether this study plans the very same run, on other data; False where that cannot be told."""
        from workbench.specs import spec_hash

        if look.experiment not in self.study.experiment_paths:
            return False
        if look.data_hash in {each.data_hash for each in self.own_looks}:
            return False
        plan = self.plans.plan(look.experiment)
        if isinstance(plan, str) or spec_hash(plan.spec) != look.spec_hash:
            return False
        planned = [run.dataset.data_hash for run in plan.runs if run.name == look.run]
        return bool(planned) and look.data_hash not in planned

    def _count(self, looks: Sequence[Look]) -> None:
        from workbench.preregistration.append_only import add_missing, locked
        from workbench.preregistration.frozen import FrozenPlan
        from workbench.preregistration.viewed import Look

        with locked(self.study):
            added = len(add_missing(self.study.viewed_file, looks, Look)) if looks else 0
            frozen = len(add_missing(self.study.frozen_file, self.their_frozen, FrozenPlan)) if self.their_frozen else 0
        self._note("results viewed", added, len(looks))
        self._note("plans frozen", frozen, len(self.their_frozen))

    def _note(self, kind: str, brought: int, of: int) -> None:
        self.brought[kind] += brought
        self.there[kind] += of - brought

    def _judged_in_ignorance(self) -> Iterator[str]:
        """Runs whose outcome had been looked at on the other side before, which nobody knew when they were judged."""
        from workbench.preregistration.viewed import earlier, is_among, read_looks

        together = read_looks(self.study)
        for then in (self.own_looks, self.their_looks):
            for position, look in enumerate(then):
                if look.cohort or look not in together or is_among(look, then[:position]):
                    continue
                known, now = (
                    sum(look.counts_with(each) for each in earlier(ledger, look)) for ledger in (then, together)
                )
                if now > known and not (then is self.their_looks and look in self.own_looks):
                    n = now - known
                    viewed = "1 result had been viewed" if n == 1 else f"{n} results had been viewed"
                    yield f"{look.run} of {look.experiment} ({look.run_id[:8]}): {viewed} before it in the other copy"

    # --------------------------------------------------------------------------------------------------------- runs

    def _bring_run(self, run: StoredRun, look: Look | None) -> None:
        from workbench import tracking

        if run.run_id in self._on_other_data:
            return  # which is said already
        here = self.study.artifacts_dir / run.place
        if run.run_id in {each.run_id for each in self.own_runs}:
            same = tracking.files_digest(here) == tracking.files_digest(self.other.artifacts_dir / run.place)
            if same:
                self.there["runs"] += 1
            else:
                self._refuse_run(run, "is here already with other files, and stays as it is here")
            return
        try:
            self._check(run, look)
            self._copy_files(self.other.artifacts_dir / run.place, here)
            tracking.take_over(self.study, self.other, run)
        except WorkbenchError as error:
            self._refuse_run(run, "; ".join(f"{each.found}; {each.hint}".rstrip("; ") for each in error.problems))
            return
        self.brought["runs"] += 1

    def _refuse_run(self, run: StoredRun, why: str) -> None:
        self.refused.append(Refused(f"{run.name} of {run.experiment} ({run.run_id[:8]})", why))

    def _check(self, run: StoredRun, look: Look | None) -> None:
        """Refuse a run that is not counted, or whose files are not those that it left."""
        from workbench import tracking
        from workbench.export import read_run
        from workbench.export.external_files import read_external

        folder = self.other.artifacts_dir / run.place
        if look is None:
            raise StoreError("the ledger of the other copy does not count it; bring its experiments/viewed.jsonl too")
        if Path(run.place).parts != (run.experiment, run.run_id, "artifacts") or not folder.is_dir():
            raise StoreError("its files are not in the store of the other copy")
        if any(path.is_symlink() for path in (folder, folder.parent, *folder.rglob("*"))):
            raise StoreError("one of its files is a link to another place")
        kept = run.tags.get(tracking.FILES_DIGEST)
        if kept is not None and kept != tracking.files_digest(folder):
            raise StoreError("its files were changed after they were written: their digest is another")
        if run.of_other_cohort:
            read_external(folder)
            return
        experiment = read_run(folder, shap=False).scores.experiment
        told = {"data_hash": look.data_hash, "spec_hash": look.spec_hash, "people_digest": look.people_digest}
        differing = [name for name, value in told.items() if run.tags.get(name) != value]
        if experiment != run.experiment or differing:
            raise StoreError(f"its line in the ledger is that of another run ({', '.join(differing) or 'experiment'})")

    def _copy_files(self, there: Path, here: Path) -> None:
        """Every file of a run, whole or not at all, each held against the one that it is copied from."""
        from workbench import tracking

        if here.is_dir() and tracking.files_digest(here) == tracking.files_digest(there):
            return  # an earlier merge was stopped before the run was listed
        unfinished = here.parent.with_name(f"{here.parent.name}.{os.getpid()}{TEMPORARY}")
        try:
            for path in (path for path in there.rglob("*") if path.is_file()):
                copy = unfinished / here.name / path.relative_to(there)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)  # without its permissions, which may be wider than those of this study
            if tracking.files_digest(unfinished / here.name) != tracking.files_digest(there):
                raise StoreError("its files could not be copied as they are: see whether the disk is failing")
            if here.parent.exists():  # of no run that is listed
                shutil.rmtree(here.parent)
            unfinished.replace(here.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _bring_key(self) -> None:
        """The key of pseudonyms, where there is none here: participants are called the same in exports of both."""
        there, here = (each.mlruns_dir / KEY_FILE for each in (self.other, self.study))
        if there.is_file() and not here.exists():
            with written_whole(here, private=True) as unfinished:
                unfinished.write_bytes(there.read_bytes())
        elif there.is_file() and here.read_bytes() != there.read_bytes():
            self.refused.append(Refused(f"mlruns/{KEY_FILE}", "this study has another one, which stays"))

    # -------------------------------------------------------------------------------------------------------- units

    def _bring_units(self, folder: Path) -> None:
        """Work units of one experiment that a plan of this study would take up."""
        from workbench.unit_files import read_keys

        name = folder.name
        n_stored = sum(1 for _ in folder.glob("*.npz"))
        if not n_stored:
            return
        if name not in self.study.experiment_paths:
            self._refuse_units(name, n_stored, f"there is no experiments/{name}.toml here")
            return
        needed = self.plans.needed(name)
        if isinstance(needed, str):
            self._refuse_units(name, n_stored, f"it cannot be told whether they are of use here: {needed}")
            return
        useful: set[str] = set()
        for own in needed:
            keys = read_keys(folder / own.name)
            if keys:
                self._copy_units(folder, own, sorted(keys))
                useful |= keys
        others = {path.stem for path in folder.glob(f"*{'.npz'}")} - useful
        if others:
            why = "no plan of this study would take them up: other data, settings or versions of packages"
            self._refuse_units(name, len(others), why)

    def _refuse_units(self, experiment: str, n: int, why: str) -> None:
        self.refused.append(Refused(f"{n:,} pieces of work of {experiment}", why))

    def _copy_units(self, folder: Path, own: Path, keys: Sequence[str]) -> None:
        from workbench.unit_files import add_keys, load_unit, unit_path

        own.parent.mkdir(parents=True, exist_ok=True)
        add_keys(own, keys)
        damaged, differing = [], 0
        for position, key in enumerate(keys):
            self.progress.advance(f"stored work of {folder.name}", position, len(keys))
            there, here = unit_path(folder, key), unit_path(own.parent, key)
            if not there.exists():
                continue
            try:
                load_unit(folder, key)
            except StoreError as error:
                damaged.append(error.problems[0].found)
                continue
            if _is_whole(own.parent, key):
                differing += here.read_bytes() != there.read_bytes()
                self.there["pieces of work"] += 1
                continue
            with written_whole(here) as unfinished:
                shutil.copyfile(there, unfinished)
            self.brought["pieces of work"] += 1
        if damaged:
            self._refuse_units(folder.name, len(damaged), listed(dict.fromkeys(damaged), 2))
        if differing:
            why = "they are here with other bits, as another machine may compute them; those here stay"
            self._refuse_units(folder.name, differing, why)


def _is_whole(folder: Path, key: str) -> bool:
    from workbench.unit_files import load_unit

    try:
        load_unit(folder, key)
    except StoreError:
        return False
    return True
