"""Selects what reads a text."""

from barkserve.errors import InvalidArgument
from barkserve.orchestrator.text.markup.auto import AutoFormat
from barkserve.orchestrator.text.markup.items import Markup, Warn
from barkserve.orchestrator.text.markup.markdown.markdown import Markdown
from barkserve.orchestrator.text.markup.plain import PlainText
from barkserve.orchestrator.text.markup.ssml import Ssml
from barkserve.v1 import speech_pb2


def make_markup(text_format: speech_pb2.TextFormat, warn: Warn) -> Markup:
    """Return the reader of a text in a format.

    Args:
        text_format: the request's.
        warn: called for markup that has no effect.

    Raises:
        InvalidArgument: there is no such format.
    """
    match text_format:
        case speech_pb2.TEXT_FORMAT_UNSPECIFIED | speech_pb2.TEXT_FORMAT_AUTO:
            return AutoFormat(warn)
        case speech_pb2.TEXT_FORMAT_PLAIN:
            return PlainText()
        case speech_pb2.TEXT_FORMAT_MARKDOWN:
            return Markdown(warn)
        case speech_pb2.TEXT_FORMAT_SSML:
            return Ssml(warn)
    names = ", ".join(speech_pb2.TextFormat.keys()[1:])
    raise InvalidArgument("text_format", f"must be one of {names}")
