"""A plugin with settings: [tools.plugin.music] with albums = { "Blue" = ["One", "Two"] }.

It says what it would play; put the command of your player where the comment is.
"""

from typing import Annotated

from badge.plugin import Context, Silent, Spoken, tool


@tool(effects=True)
def play_music(context: Context, album: Annotated[str, "name of an album"]) -> Spoken | str:
    """Play an album."""
    albums = context.settings.get("albums", {})
    found = next((name for name in albums if name.lower() == album.strip().lower()), None)
    if found is None:
        return f"There is no album {album}. There are: {', '.join(albums) or 'none'}."
    # subprocess.run(["mpc", "searchplay", "album", found], check=True)
    return Spoken(f"Playing {found}: {', '.join(albums[found])}.")


@tool(effects=True)
def stop_music() -> Silent:
    """Stop the music; nothing is said."""
    return Silent()
