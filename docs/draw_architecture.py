"""Draws docs/architecture.svg: ``python docs/draw_architecture.py``. A test says when the picture is out of date."""

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1240, 640
INK, QUIET, LINE = "#1b2733", "#51606e", "#7b8a97"
# Paul Tol's light scheme: told apart by every kind of colour vision; names and places carry the meaning as well.
FILES, STAGE, COMPOSER, OUTCOME, GROUND = "#f3f5f7", "#d6e9f8", "#fdeccb", "#d9efdc", "#ebe6f3"

TITLE = "How a study flows through the workbench"
DESCRIPTION = (
    "From left to right: data files and TOML files are read by sources into feature tables, aligned by tables into a "
    "dataset, fitted by models in work units, questioned by evaluation, judged by results, and shown by figures, "
    "export and tracking. The command line calls the pipeline, and the pipeline composes the stages, each of which "
    "imports only what is below it. Execution stores and spreads the work "
    "units. All stand on the ground floor of errors, records, specs, study and knowledge."
)

# x, width, name, lines
STAGES = [
    (192, 130, "sources/", ["one module per", "kind of file;", "malformed files", "end here"]),
    (384, 130, "tables/", ["align, outcomes,", "who was lost", "and why; leaks", "are refused"]),
    (576, 130, "models/", ["all that learns,", "inside the fold;", "permutations"]),
    (758, 130, "evaluation/", ["a module for each", "question, with", "its refits and", "its sentence"]),
    (946, 118, "results/", ["compose them;", "claims judge;", "candidates"]),
]
RECORDS = [
    (322, 384, "Feature", "Table"),
    (514, 576, "Dataset", ""),
    (706, 758, "Unit", "Result"),
    (888, 946, "Scores", ""),
    (1064, 1114, "Run", "Result"),
]
FLOOR = [
    ("errors.py", "what to do next"),
    ("records/", "everything that travels"),
    ("specs/", "TOML read and checked"),
    ("study.py", "where things lie"),
    ("knowledge/", "scales, circuits, evidence"),
]
STAGE_TOP, STAGE_HEIGHT = 232, 122
MIDDLE = STAGE_TOP + STAGE_HEIGHT / 2


def box(x, y, width, height, fill, name, lines=(), *, dashed=False):
    """A rectangle with a name and lines below it."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    text_y = y + (25 if lines else height / 2 + 5)
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="{fill}" stroke="{LINE}"{dash}/>',
        text(x + width / 2, text_y, name, weight=600),
    ]
    parts += [text(x + width / 2, text_y + 21 + 18 * k, line, size=13.5, fill=QUIET) for k, line in enumerate(lines)]
    return parts


def text(x, y, words, *, size=15.5, fill=INK, weight=400, anchor="middle"):
    """One line of words."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{fill}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def arrow(x1, y1, x2, y2, *, dashed=False, both=False):
    """A straight arrow."""
    dash = ' stroke-dasharray="3 4"' if dashed else ""
    start = ' marker-start="url(#tip)"' if both else ""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{QUIET}" stroke-width="1.6"{dash}{start} '
        'marker-end="url(#tip)"/>'
    )


def doors():
    """The ways in, and the pipeline."""
    parts = box(420, 24, 170, 46, COMPOSER, "cli/")
    parts += box(620, 24, 170, 46, FILES, "a notebook", dashed=True)
    parts += [arrow(505, 70, 505, 106), arrow(705, 70, 705, 106)]
    return parts + box(
        192, 110, 1024, 58, COMPOSER, "pipeline/", ["composes the stages; each imports only what is below it"]
    )


def flow():
    """The stages from left to right, each arrow labelled with the record that travels."""
    parts = box(
        30,
        STAGE_TOP,
        126,
        STAGE_HEIGHT,
        FILES,
        "files",
        ["features/*.toml", "experiments/*.toml", "tables, matrices", "ratings"],
    )
    parts.append(arrow(156, MIDDLE, 188, MIDDLE))
    for x, width, name, lines in STAGES:
        parts += box(x, STAGE_TOP, width, STAGE_HEIGHT, STAGE, name, lines)
        parts.append(arrow(x + width / 2, 170, x + width / 2, STAGE_TOP - 4, dashed=True))
    for x1, x2, above, below in RECORDS:
        parts.append(arrow(x1, MIDDLE, x2 - 4, MIDDLE))
        parts.append(text((x1 + x2) / 2, MIDDLE - (26 if below else 9), above, size=13, weight=600))
        parts.append(text((x1 + x2) / 2, MIDDLE - 9, below, size=13, weight=600))
    parts += box(1114, STAGE_TOP, 102, STAGE_HEIGHT, OUTCOME, "figures/", ["export/", "tracking/"])
    parts.append(arrow(1165, 170, 1165, STAGE_TOP - 4, dashed=True))
    return parts


def beside():
    """What stands beside the flow: simulated data, stored work, what was found."""
    top = 408
    parts = box(192, top, 130, 66, STAGE, "simulate/", ["known truth"])
    path = f"M 192 {top + 33} H 93 V {STAGE_TOP + STAGE_HEIGHT + 5}"
    parts.append(f'<path d="{path}" fill="none" stroke="{QUIET}" stroke-width="1.6" marker-end="url(#tip)"/>')
    parts.append(text(142, top + 25, "writes files", size=13, fill=QUIET))
    parts += box(612, top, 240, 66, STAGE, "execution/", ["stores, spreads, resumes"])
    parts.append(arrow(641, STAGE_TOP + STAGE_HEIGHT + 5, 641, top - 5, both=True))
    parts.append(arrow(823, STAGE_TOP + STAGE_HEIGHT + 5, 823, top - 5, both=True))
    parts.append(text(698, STAGE_TOP + STAGE_HEIGHT + 32, "WorkUnit", size=13, weight=600, anchor="start"))
    parts += box(1051, top, 165, 66, FILES, "mlruns/", ["what was found"], dashed=True)
    parts.append(arrow(1165, STAGE_TOP + STAGE_HEIGHT, 1165, top - 4))
    parts.append(arrow(852, top + 33, 1047, top + 33))
    parts.append(text(950, top + 25, "units/", size=13, fill=QUIET))
    return parts


def ground_floor():
    """What everything stands on."""
    top = 516
    parts = [f'<rect x="30" y="{top}" width="1180" height="100" rx="7" fill="{GROUND}" stroke="{LINE}"/>']
    parts.append(
        text(
            46,
            top + 22,
            "ground floor: all may import it, it imports none of them",
            size=13.5,
            fill=QUIET,
            anchor="start",
        )
    )
    for k, (name, line) in enumerate(FLOOR):
        x = 46 + 231 * k
        parts += box(x, top + 32, 222, 56, "#ffffff", name, [line])
    return parts


def draw():
    """The whole picture as SVG text."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-labelledby="title desc" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif">',
        f'<title id="title">{escape(TITLE)}</title>',
        f'<desc id="desc">{escape(DESCRIPTION)}</desc>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'orient="auto-start-reverse"><path d="M 0 0 L 8 4 L 0 8 z" fill="{QUIET}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    return "\n".join([*head, *doors(), *flow(), *beside(), *ground_floor(), "</svg>", ""])


if __name__ == "__main__":
    Path(__file__).with_suffix("").with_name("architecture.svg").write_text(draw(), encoding="utf-8")
