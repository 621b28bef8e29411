"""The field `speed` of the OpenAI and ElevenLabs APIs: the speaking rate."""

from barkserve.errors import InvalidArgument
from barkserve.gateway.errors import HttpFailure
from barkserve.speaking_rate import checked_speaking_rate


def speaking_rate(speed: float, field: str) -> float:
    """Return the speaking rate for a speed.

    Args:
        speed: the request's.
        field: its name, for the error.

    Raises:
        HttpFailure: it is out of range.
    """
    try:
        return checked_speaking_rate(speed)
    except InvalidArgument as error:
        message = f"{field}: {error.description}"
        raise HttpFailure(400, "unsupported_value", message, field) from error
