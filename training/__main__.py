"""Run one step of the training by its name: `python -m training texts --work W`."""

import sys
from importlib import import_module

STEPS = {
    "texts": "training.data.texts",
    "teacher": "training.data.teacher",
    "features": "training.data.features",
    "codes": "training.data.codes",
    "pack": "training.data.pack",
    "draws": "training.train.draws",
    "codec": "training.train.codec",
    "coarse": "training.train.coarse",
    "semantic": "training.train.semantic",
    "fine": "training.train.fine",
    "all": "training.train.all",
    "export": "training.publish.export",
    "card": "training.publish.card",
    "evaluate": "training.evaluate.scores",
    "plot": "training.evaluate.plot",
}
"""The module of each step, whose `main()` reads its arguments from the command line."""


def main() -> None:
    """Run the step that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1] not in STEPS:
        raise SystemExit(f"usage: python -m training STEP ...; the steps: {', '.join(STEPS)}")
    step = sys.argv.pop(1)
    sys.argv[0] = f"python -m training {step}"
    import_module(STEPS[step]).main()


if __name__ == "__main__":
    main()
