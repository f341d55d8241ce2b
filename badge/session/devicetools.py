"""What one badge can do itself, joined for its session."""

from __future__ import annotations

from badge.session.devicemcp import DeviceMcp, Tell
from badge.session.iot import IotThings
from badge.session.once import Once
from badge.session.toolbox import ToolSource
from badge.session.volume import Volume
from protocol import ErrorCode, RemoteProtocolError
from protocol.inbound import Features, Iot, Mcp


class DeviceTools:
    """The badge's MCP server, the things that it describes in the legacy way, and what can be made of both. Made when a badge
    says that it can do something; there is no task in it."""

    def __init__(self, tell: Tell, session_id: str) -> None:
        self._mcp = DeviceMcp(tell, session_id)
        self._iot = IotThings(tell)
        self.for_answers = tuple(map(Once, self.sources))
        """The same sources for answers, which may be begun anew."""

    @property
    def sources(self) -> tuple[ToolSource, ...]:
        """Where the badge's tools are; MCP comes first."""
        return self._mcp, self._iot, Volume(self._mcp, self._iot)

    def hello(self, features: Features) -> None:
        """The badge has said what it is like: ask its MCP server for tools, now and each time."""
        if features.mcp:
            self._mcp.begin()
        else:
            self._mcp.end()

    def receive_mcp(self, message: Mcp) -> None:
        """What the badge's MCP server sends. Raises `RemoteProtocolError`, also when the badge has not said that it has one."""
        if not self._mcp.begun:
            raise RemoteProtocolError(
                ErrorCode.UNAVAILABLE,
                "mcp: there is no client for the badge's MCP server yet; send hello with features.mcp: true first",
                ref={"type": "mcp"},
            )
        self._mcp.receive(message.payload)

    def receive_iot(self, message: Iot) -> None:
        """Descriptors and states. Raises `RemoteProtocolError`."""
        self._iot.receive(message)
