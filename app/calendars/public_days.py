"""Public holidays by country and subdivision, from the library `holidays`, which takes most of a second to load and is
therefore loaded when somebody asks."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches


class UnknownPlace(ValueError):
    """There is no such country or subdivision. `member` says which; the message is for people."""

    def __init__(self, member: str, message: str) -> None:
        super().__init__(message)
        self.member = member


def check(country: str, subdivision: str | None) -> None:
    """Raises `UnknownPlace`. Loads the library: call it in a thread."""
    from holidays import list_supported_countries  # noqa: PLC0415  # see above

    places = list_supported_countries(include_aliases=True)
    if country not in places:
        raise UnknownPlace("country", f"no holidays are known of {country!r}; give two letters like DE, GB or US")
    known = sorted(places[country])
    if subdivision is not None and subdivision not in known:
        close = get_close_matches(subdivision.upper(), known, n=1)
        hint = f"; did you mean {close[0]}?" if close else f": it has {', '.join(known[:60]) or 'none'}"
        raise UnknownPlace("subdivision", f"{country} has no subdivision {subdivision!r}{hint}")


def days(country: str, subdivision: str | None, years: range) -> dict[date, str]:
    """The public holidays of these years, with their names in English where there are such. Raises `UnknownPlace`.
    Loads the library: call it in a thread."""
    from holidays import country_holidays  # noqa: PLC0415  # see above

    try:
        found = country_holidays(country, subdiv=subdivision, years=years, language="en_US")
    except NotImplementedError as unknown:
        raise UnknownPlace("country", str(unknown)) from unknown
    return {day: str(name)[:200] for day, name in sorted(found.items())}
