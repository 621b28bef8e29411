"""The roles that may call each method. A method that is not listed here is denied."""

from collections.abc import Mapping

from barkserve.errors import PermissionDenied
from barkserve.serving.caller import ALL_ROLES, Caller, Role

_SPEAK = frozenset({Role.SPEAK})
_VOICES = frozenset({Role.MANAGE_VOICES})
_OPERATE = frozenset({Role.OPERATE})

_CALL_STAGES = frozenset({Role.CALL_STAGES})

METHOD_ROLES: Mapping[str, frozenset[Role]] = {
    "/barkserve.v1.SpeechService/Synthesize": _SPEAK,
    "/barkserve.v1.SpeechService/StreamingSynthesize": _SPEAK,
    "/barkserve.v1.SpeechService/ListVoices": _SPEAK | _VOICES,
    "/barkserve.v1.SpeechService/GetVoice": _SPEAK | _VOICES,
    "/barkserve.v1.SpeechService/CreateVoice": _VOICES,
    "/barkserve.v1.SpeechService/DeleteVoice": _VOICES,
    "/barkserve.v1.SpeechService/GetServerInfo": ALL_ROLES,
    "/nvidia.riva.tts.RivaSpeechSynthesis/Synthesize": _SPEAK,
    "/nvidia.riva.tts.RivaSpeechSynthesis/SynthesizeOnline": _SPEAK,
    "/nvidia.riva.tts.RivaSpeechSynthesis/GetRivaSynthesisConfig": _SPEAK | _VOICES,
    "/barkserve.v1.StatusService/GetStatus": _OPERATE,
    "/barkserve.v1.AutoscalerService/GetScaling": _OPERATE,
    "/externalscaler.ExternalScaler/IsActive": _OPERATE,
    "/externalscaler.ExternalScaler/StreamIsActive": _OPERATE,
    "/externalscaler.ExternalScaler/GetMetricSpec": _OPERATE,
    "/externalscaler.ExternalScaler/GetMetrics": _OPERATE,
    "/externalscaler.ExternalScaler/StreamMetricSpec": _OPERATE,
    "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics": _OPERATE | _CALL_STAGES,
    "/barkserve.v1.SemanticService/Generate": _CALL_STAGES,
    "/barkserve.v1.CoarseService/Generate": _CALL_STAGES,
    "/barkserve.v1.FineService/Generate": _CALL_STAGES,
    "/barkserve.v1.CodecService/Decode": _CALL_STAGES,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ALL_ROLES,
}


def check_method(caller: Caller, method: str) -> None:
    """Check that a caller may call a method, such as "/package.Service/Method".

    Raises:
        PermissionDenied: it has none of the roles that may.
    """
    allowed = METHOD_ROLES.get(method, frozenset())
    if not caller.roles & allowed:
        _, _, name = method.rpartition("/")
        raise PermissionDenied(_refusal(caller, name, allowed))


def check_role(caller: Caller, role: Role, action: str) -> None:
    """Check that a caller has a role for an action, such as "keep_voice".

    Raises:
        PermissionDenied: it has not.
    """
    if role not in caller.roles:
        raise PermissionDenied(_refusal(caller, action, frozenset({role})))


def _refusal(caller: Caller, action: str, allowed: frozenset[Role]) -> str:
    if not allowed:
        return f"{action} is not open to any role"
    needed = " or ".join(repr(str(role)) for role in Role if role in allowed)
    return f"{action} needs the role {needed}, which {caller.name} does not have: ask the operator"
