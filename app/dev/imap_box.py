"""An IMAP server with one folder: as much of RFC 3501 as a program that fetches mail needs. For tests."""

from __future__ import annotations

import asyncio
import re


class ImapBox:
    """`start` it, put `mails` in, look at `seen`. `refuses_login` for what its name says."""

    def __init__(self) -> None:
        self._login = '"tocsin" "pass word"', 'tocsin "pass word"'
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        self.refuses_login = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    def put(self, raw: bytes) -> int:
        uid = len(self.mails) + 1
        self.mails[uid] = raw
        return uid

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK here\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            good = self._allows(command)
            writer.write(self._answer(command) + f"{tag} {'OK done' if good else 'NO not you'}\r\n".encode())
            if command.upper() == "LOGOUT":
                break
        writer.close()

    def _allows(self, command: str) -> bool:
        return not command.upper().startswith("LOGIN") or (not self.refuses_login and command[6:] in self._login)

    def _answer(self, command: str) -> bytes:
        word = command.upper()
        if word == "CAPABILITY":
            return b"* CAPABILITY IMAP4REV1\r\n"
        if word.startswith("SELECT"):
            return f"* {len(self.mails)} EXISTS\r\n".encode()
        if word.startswith("UID SEARCH"):
            new = " ".join(str(uid) for uid in self.mails if uid not in self.seen)
            return f"* SEARCH {new}".rstrip().encode() + b"\r\n"
        if found := re.fullmatch(r"UID FETCH (\d+) \((.+)\)", word):
            uid = int(found[1])
            raw = self.mails[uid]
            if found[2] == "RFC822.SIZE":
                return f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(raw)})\r\n".encode()
            return f"* {uid} FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n"
        if found := re.fullmatch(r"UID STORE ([\d,]+) \+FLAGS \(\\SEEN\)", word):
            self.seen |= {int(uid) for uid in found[1].split(",")}
        return b"* BYE\r\n" if word == "LOGOUT" else b""
