"""Where videos are to be found. Pure."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a video is to be found: a function of workspace and id, in the shape of SEEN's own links."""

    player: str
    thumbnail: str
    email_thumbnail: str

    def outputs(self) -> list[dict[str, object]]:
        """`journeyOutputs` of an item whose video is ready."""
        motion = {
            "id": _uuid(self.thumbnail),
            "thumbnail": self.thumbnail,
            "emailThumbnail": self.email_thumbnail,
        }
        player = {"id": _uuid(self.player), "link": self.player}
        return [
            {
                "id": _uuid(self.player + self.thumbnail),
                "motions": [motion],
                "players": [player],
                "webhook": None,
            }
        ]

    def callback(self, key: str) -> dict[str, object]:
        """The body of the callback, as in the documents' example for the platform."""
        return {
            "id": key,
            "player_url": self.player,
            "thumbnail_url": self.thumbnail,
            "email_thumbnail_url": self.email_thumbnail,
        }


def links(workspace: str, key: str) -> Links:
    """The links of an item's video."""
    digest = hashlib.sha256(f"{workspace}/{key}".encode()).digest()
    name = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:12])
    folder = f"https://motions.seen.io/{uuid.UUID(bytes=digest[:16], version=4)}/{digest[12:].hex()}"
    return Links(
        player=f"https://player.seen.io/v/{name}",
        thumbnail=f"{folder}/thumbnail.jpg",
        email_thumbnail=f"{folder}/email_thumbnail.jpg",
    )


def _uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))
