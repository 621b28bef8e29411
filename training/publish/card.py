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
    "accuracy_of_teachers": "word accuracy, share of the teacher's",
    "phone_error_rate": "phone error rate of the semantic model",
    "ended": "share that ended by itself",
    "babbled": "share that continued after the text",
    "pauses": "pauses within sentences, share of the teacher's",
    "needless_pauses": "- others, a sentence",
    "length_of_teachers": "length, share of the teacher's",
    "own_codes": "share of codes from the speaker's own slice",
    "nearest_is_own": "share that is nearest to the teacher's same voice",
    "speaker_distance": "distance of timbre to the teacher's voice",
    "other_distance": "- to the nearest of its other voices",
    "teacher_median_pitch": "median pitch, teacher, Hz",
    "median_pitch": "median pitch, mini, Hz",
    "given_sentences": "given the teacher's semantic tokens: sentences",
    "given_wer_teacher": "- word error rate, teacher",
    "given_wer": "- word error rate",
    "given_wer_coarse_only": "- word error rate, codebooks 0 and 1 alone",
    "given_pitch_correlation": "- correlation of log f0 with the teacher's",
    "given_mel_distance": "- log-mel distance",
    "given_mel_distance_coarse_only": "- log-mel distance, codebooks 0 and 1 alone",
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
        "| | utterances | pitch of the first, Hz | of the last"
        " | distance of timbre to the teacher's same voice, first | last | nearest to it |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for path in paths:
        scores = load_scores([path])
        first, last = scores[0], scores[-1]
        own = sum(score.speaker_distance < score.other_distance for score in scores)
        lines.append(
            f"| {path.stem} | {len(scores)} | {first.median_pitch:.0f} | {last.median_pitch:.0f}"
            f" | {first.speaker_distance:.2f} | {last.speaker_distance:.2f} | {own} |"
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
