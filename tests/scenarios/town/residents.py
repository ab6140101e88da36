"""People of the town: a phone, a mailbox, a browser, and what they do about incidents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.dev import mail_program
from app.dev.inbox import Inbox
from app.dev.mailbox import Mail
from app.dev.phone import Phone
from town.browser import Screen

if TYPE_CHECKING:
    from town.town import Town


@dataclass(eq=False)
class Resident:
    """A user of the service. `methods`: contact method ids by channel."""

    town: Town = field(repr=False)
    name: str
    key: str
    user_id: int
    api_key: str = field(repr=False)
    number: str
    address: str
    methods: dict[str, int] = field(default_factory=dict)

    @property
    def phone(self) -> Phone:
        return self.town.exchange.phone(self.number, self.name)

    @property
    def inbox(self) -> Inbox[Mail]:
        return self.town.mailbox.inbox(self.address)

    async def expects_mail(self, *parts: str) -> Mail:
        return await self.town.mailbox.expects_mail(self.address, *parts)

    # -- answers, by the link in the newest text or mail

    async def follows_link(self, press: str = "", *, link: str = "") -> Screen:
        """Opens it, and presses the button with this caption; the screen that is seen then."""
        screen = await self.town.browser.opens(link or self.newest_link)
        if press:
            screen = await self.town.browser.presses(screen, press)
            await self.town.settle()
        return screen

    @property
    def newest_link(self) -> str:
        return self.phone.last_link if self.phone.inbox.items else self.inbox.last_link

    # -- answers, by text

    async def replies(self, body: str, *, times: int = 1) -> None:
        """Texts our number; what is due by that is done. `times`: so often Twilio hands the same text over."""
        assert await self.phone.replies(body, times=times) == [], "answers are messages of their own"
        await self.town.settle()

    # -- answers, by mail

    async def answers_mail(self, mail: Mail, words: str, *, times: int = 1, **how: Any) -> None:
        """Answers it from this person's mailbox, over SMTP; what is due by that is done. `how`: of
        `mail_program.answer`. `times`: so often the same mail is handed over."""
        raw = mail_program.answer(mail, words, **how)
        for _ in range(times):
            await self.town.mail_comes(how.get("sender") or self.address, mail_program.reply_address(mail), raw)

    # -- answers, over the API

    async def acknowledges(self, number: int | None = None) -> dict[str, Any]:
        """The answer: `result`, and `by` and `at` when somebody was faster."""
        return await self._does("acknowledge", number)

    async def unacknowledges(self, number: int | None = None) -> dict[str, Any]:
        return await self._does("unacknowledge", number)

    async def resolves(self, number: int | None = None, *, confirmed: bool = False) -> dict[str, Any]:
        return await self._does("resolve", number, {"confirmed": confirmed})

    async def closes(self, number: int | None = None) -> dict[str, Any]:
        return await self._does("close", number)

    async def mitigates(self, number: int | None = None) -> dict[str, Any]:
        return await self._does("mitigate", number)

    async def escalates(self, number: int | None = None) -> dict[str, Any]:
        return await self._does("escalate", number)

    async def reassigns(self, to: Resident, number: int | None = None) -> dict[str, Any]:
        return await self._does("reassign", number, {"user": to.key})

    async def snoozes(self, until: datetime, number: int | None = None) -> dict[str, Any]:
        return await self._does("snooze", number, {"until": until.isoformat()})

    async def sets_priority(self, impact: int, urgency: int, reason: str, number: int | None = None) -> dict[str, Any]:
        body = {"impact": impact, "urgency": urgency, "reason": reason}
        return await self._does("priority", number, body, method="PUT")

    async def pins_open(self, number: int | None = None, *, pinned: bool = True) -> dict[str, Any]:
        return await self._does("pin-open", number, {"pinned": pinned, "reason": "it is watched"})

    async def _does(
        self, what: str, number: int | None, body: dict[str, Any] | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        if number is None:
            number = (await self.town.incident()).number
        said: dict[str, Any] = await self.asks(method, f"/api/v1/incidents/{number}/{what}", body)
        await self.town.settle()
        return said

    async def asks(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer to a request with this person's API key. Raises AssertionError unless it is 2xx."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        answer = await self.town.http.request(method, path, json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None
