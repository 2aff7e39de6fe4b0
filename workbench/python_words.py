"""What commands and options of the command line are called in Python: messages name them as they are typed there."""

from __future__ import annotations

import re
from collections.abc import Iterator

FUNCTIONS = {
    "check": "workbench.check(..)",
    "compare": "workbench.compare(..)",
    "demo": "workbench.simulate_study(..)",
    "demo --study": "workbench.simulate_study(..)",
    "export": "workbench.export_run(..)",
    "features": "workbench.features(..)",
    "features --circuits-template": "workbench.pipeline.circuits_template(..)",
    "features --describe": "workbench.describe_features(..)",
    "freeze": "workbench.freeze(..)",
    "init": "workbench.init(..)",
    "merge": "workbench.merge(..)",
    "plan": "workbench.plan(..)",
    "predict": "workbench.predict(..)",
    "prune": "workbench.prune(..)",
    "report": "workbench.report(..)",
    "reproduce": "workbench.reproduce(..)",
    "run": "workbench.run(..)",
    "send": "workbench.pipeline.send(..)",
    "show": "workbench.show_run(..)",
    "simulate": "workbench.simulate_study(..)",
    "ui": "workbench.pipeline.ui(..)",
}
"""By command: the function that does the same."""

ARGUMENTS = {
    "again": "again=True",
    "anyway": "anyway=True",
    "backend": 'backend=".."',
    "because": 'because=".."',
    "data": 'data=".."',
    "design": 'design=".."',
    "experiment": 'experiment=".."',
    "files": "files=True",
    "force": "force=True",
    "from": "workbench.init_from(folder, [files])",
    "hold-out": "hold_out=True",
    "jobs": "jobs=..",
    "mean": "mean=..",
    "only": 'only=".."',
    "other-data": "other_data=True",
    "participant": 'participant=".."',
    "participants": "people=..",
    "permutations": "permutations=..",
    "port": "port=..",
    "preset": 'preset=".."',
    "prevalence": "prevalence=..",
    "pseudonyms": "pseudonyms=True",
    "r2": "r2=..",
    "rehearse": "rehearse=True",
    "resume": "resume=True",
    "scheduler": 'scheduler=".."',
    "sd": "sd=..",
    "simulations": "simulations=..",
    "slurm-option": 'slurm_options=[".."]',
    "study": 'study=".."',
    "to": 'to=".."',
    "trained-in": 'trained_in=".."',
    "with-images": "images=True",
    "with-model": "model=True",
    "with-participant-data": "participant_data=True",
    "yes": "yes=True",
}
"""By option: the argument that does the same."""

NAMED = re.compile(
    r"\bworkbench (?P<command>demo --study|features --(?:describe|circuits-template)|[a-z]+)\b"
    r"|(?<![\w=-])--(?P<option>[a-z][a-z0-9-]*)"
)


def in_python(text: str) -> str:
    """What the commands and options that a text names are called in Python; empty where it names none.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(in_python("stopped; go on with: workbench run question --resume"))
    In Python: workbench run is workbench.run(..), --resume is resume=True.
    >>> in_python("features/pet.toml: 'tracr' is unknown; did you mean 'tracer'?")
    ''
    """
    words = dict.fromkeys(_pairs(text))
    return f"In Python: {', '.join(words)}." if words else ""


def _pairs(text: str) -> Iterator[str]:
    for each in NAMED.finditer(text):
        command, option = each["command"], each["option"]
        if command in FUNCTIONS:
            yield f"workbench {command} is {FUNCTIONS[command]}"
        elif option in ARGUMENTS:
            yield f"--{option} is {ARGUMENTS[option]}"
