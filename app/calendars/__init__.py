"""Calendars that somebody else keeps: iCalendar in and out, public holidays."""
