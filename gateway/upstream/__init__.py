"""The one seam to the providers' HTTP: send once, and know whether anything left."""

from gateway.upstream.outcome import Answered, Contradicted, Evidence, NotSent, Outcome, Refused, Unclear
from gateway.upstream.sender import Stream, Upstream, UpstreamFailed

__all__ = [
    "Answered",
    "Contradicted",
    "Evidence",
    "NotSent",
    "Outcome",
    "Refused",
    "Stream",
    "Unclear",
    "Upstream",
    "UpstreamFailed",
]
