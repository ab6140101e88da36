"""Amazon SNS asks before it sends. Whoever looks at the receipt answers: Tocsin fetches no address that it was sent.

Source: AWS, "HTTP/HTTPS subscription confirmation JSON format".
"""

from __future__ import annotations

import re
from typing import Any

from app.ingest.adapters.bounds import cut
from app.ingest.adapters.details import as_text
from app.ingest.adapters.links import is_address

_HANDSHAKES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_OF_AMAZON = re.compile(r"https://sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/")


def handshake(message: Any) -> str | None:
    """What to do about a message that is no alert but a question of SNS; None for any other."""
    if type(message) is not dict or message.get("Type") not in _HANDSHAKES or "TopicArn" not in message:
        return None
    topic, address = cut(as_text(message["TopicArn"]), 300), message.get("SubscribeURL")
    if not is_address(address) or not _OF_AMAZON.match(address):
        return f"this claims to be Amazon SNS for {topic}, but its SubscribeURL is not Amazon's: do not open it"
    if message["Type"] == "UnsubscribeConfirmation":
        return f"Amazon SNS has ended the subscription of {topic}. To take that back, open {address}"
    return f"Amazon SNS asks whether {topic} may send here. If it may, open this within three days: {address}"
