"""A message template as people write it: the body of the API and an entry of the configuration document."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from app.directory.documents import Document
from app.notifications.template_language import LONGEST

TEMPLATE_KEY = r"^(sms|voice|mail-subject|mail-text|push-title|push-body)(:[a-z0-9][a-z0-9_-]{0,63})?$"


class MessageTemplateEdit(Document):
    """What a part of a page says."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "P{priority} {title} on {labels.instance}"}]})

    text: Annotated[str, Field(min_length=1, max_length=LONGEST)]


class MessageTemplateDocument(MessageTemplateEdit):
    """`key`: the part, and after a colon the service where it is for one only: `sms`, `sms:checkout`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "sms", "text": "P{priority} {title} on {labels.instance}"}]}
    )

    key: Annotated[str, Field(pattern=TEMPLATE_KEY, examples=["sms:checkout"])]
