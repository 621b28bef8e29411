"""Arguments of BarkModel.generate as options of a synthesis."""

from collections.abc import Mapping
from typing import Any

from barkclient._internal.option_checks import check_names
from barkclient.errors import InvalidRequest
from barkclient.options import (
    FineOptions,
    Sampling,
    SemanticOptions,
    SynthesisOptions,
    TailOptions,
)

_SAMPLING = ("do_sample", "temperature", "top_k", "top_p")
_STAGES = {
    "semantic": (*_SAMPLING, "min_eos_p", "max_new_tokens"),
    "coarse": _SAMPLING,
    "fine": ("temperature",),
}
_ALL_STAGES = (*_SAMPLING, "min_eos_p")


def synthesis_options(arguments: Mapping[str, Any]) -> SynthesisOptions:
    """Return the options that make the server generate as transformers would.

    Args:
        arguments: keyword arguments of BarkModel.generate that configure the models.

    Raises:
        InvalidRequest: the server does not have an argument.
    """
    known = [f"{stage}_{name}" for stage, names in _STAGES.items() for name in names]
    check_names(arguments, [*_ALL_STAGES, *known])
    stages = {stage: _arguments_of(stage, arguments) for stage in _STAGES}
    semantic, coarse = stages["semantic"], stages["coarse"]
    return {
        "semantic": SemanticOptions(
            **_sampling(semantic),
            min_eos_p=semantic.get("min_eos_p"),
            max_tokens=semantic.get("max_new_tokens"),
        ),
        "coarse": Sampling(**_sampling(coarse)),
        "fine": _fine(stages["fine"]),
        "tail": TailOptions(max_seconds_per_character=0),  # transformers has no such limit
    }


def _arguments_of(stage: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of one model. Those with its prefix take precedence."""
    names = _STAGES[stage]
    common = {name: arguments[name] for name in names if name in arguments}
    own = {name: arguments[f"{stage}_{name}"] for name in names if f"{stage}_{name}" in arguments}
    return common | own


def _sampling(arguments: Mapping[str, Any]) -> dict[str, Any]:
    sampled = arguments.get("do_sample")
    if sampled not in (None, True, False):
        raise InvalidRequest.of_field("do_sample", f"must be True or False, not {sampled!r}")
    names = ("temperature", "top_k", "top_p")
    return {name: arguments.get(name) for name in names} | {
        "greedy": None if sampled is None else not sampled
    }


def _fine(arguments: Mapping[str, Any]) -> FineOptions:
    """Return the fine model's options: as in transformers, temperature 1 or None is greedy."""
    if "temperature" not in arguments:
        return FineOptions()
    if arguments["temperature"] in (None, 1.0):
        return FineOptions(greedy=True)
    return FineOptions(temperature=arguments["temperature"])
