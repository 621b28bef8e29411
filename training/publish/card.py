"""Write a checkpoint's model card: model_card.md with the figures of `evaluate`."""

import argparse
import json
from pathlib import Path

from training.config import SPEAKERS
from training.evaluate.scores import Given, Score, summary

CARD = Path(__file__).parent / "model_card.md"
ROWS = {
    "sentences": "held-out sentences",
    "wer_teacher": "word error rate, teacher",
    "wer": "word error rate, mini",
    "phone_error_rate": "phone error rate of the semantic model",
    "ended": "share that ended by itself",
    "babbled": "share that continued after the text",
    "length_of_teachers": "length, share of the teacher's",
    "teacher_p808": "naturalness P.808, teacher",
    "p808": "naturalness P.808, mini",
    "teacher_dnsmos": "DNSMOS overall, teacher",
    "dnsmos": "DNSMOS overall, mini",
    "similarity": "similarity of the speaker to the teacher",
    "own_codes": "share of codes from the speaker's own slice",
    "given_sentences": "given the teacher's semantic tokens: sentences",
    "given_wer_teacher": "- word error rate, teacher",
    "given_wer": "- word error rate",
    "given_pitch_correlation": "- correlation of log f0 with the teacher's",
    "given_voiced_overlap": "- share of voiced frames that both have",
    "given_p808": "- naturalness P.808",
}


def load_scores(paths: list[Path]) -> list[Score]:
    """Load the scores of one voice from one or more files."""
    rows = [row for path in paths for row in json.loads(path.read_text())["scores"]]
    return [
        Score(**{**row, "given": Given(**row["given"]) if row["given"] else None}) for row in rows
    ]


def table(columns: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table, one column per voice."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, words in ROWS.items():
        cells = [f"{figures[name]:.3g}" if name in figures else "" for figures in columns.values()]
        if any(cells):
            lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chain_table(paths: list[Path]) -> str:
    """Return a Markdown table of a voice over chained utterances."""
    if not paths:
        return ""
    lines = [
        "Chains, every utterance the history of the next:",
        "",
        "| | utterances | similarity of the speaker to the teacher, first | last | least |",
        "|---|---:|---:|---:|---:|",
    ]
    for path in paths:
        likeness = [score.similarity for score in load_scores([path])]
        lines.append(
            f"| {path.stem} | {len(likeness)} | {likeness[0]:.2f} | {likeness[-1]:.2f}"
            f" | {min(likeness):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--none", type=Path, nargs="+", default=[])
    for speaker in SPEAKERS:
        parser.add_argument(f"--{speaker.name}", type=Path, nargs="+", default=[])
    parser.add_argument(
        "--chain", type=Path, nargs="+", default=[], help="files written by evaluate --chain"
    )
    flags = vars(parser.parse_args())
    folder, chains = flags.pop("checkpoint"), flags.pop("chain")
    columns = {name: summary(load_scores(paths)) for name, paths in flags.items() if paths}
    text = CARD.read_text().replace("FIGURES", table(columns))
    text = text.replace("CHAIN\n", chain_table(chains) + "\n")
    (folder / "README.md").write_text(text)
    print(table(columns))


if __name__ == "__main__":
    main()
