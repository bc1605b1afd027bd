"""Task processes as a worker sees them: a process, its channel, and who lives in it.

One thread of the worker listens to all channels; what they say goes to the worker. Any thread may send.
"""

from __future__ import annotations

import logging
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

from appliance.channel import Channel, ChannelClosed, Configure, Imported, Message
from appliance.worker.processes import Process, Spawner

log = logging.getLogger(__name__)

ENTRY = "appliance.runtime.main:main"


class Host:
    """One task process."""

    def __init__(self, key: str, channel: Channel) -> None:
        self.key = key
        self.channel = channel
        self.process: Process | None = None
        self.residents: dict[Any, Any] = {}
        self.doomed = False

    def send(self, message: Message) -> None:
        """Send; a process that is gone is noticed by its exit."""
        try:
            self.channel.send(message)
        except ChannelClosed:
            pass

    def kill(self) -> None:
        """End the process at once."""
        self.doomed = True
        if self.process is not None:
            self.process.kill()


class Hosts:
    """All task processes of a worker, and the thread that listens to them."""

    def __init__(
        self,
        spawner: Spawner,
        configure: Callable[[], Configure],
        on_message: Callable[[Host, Any], None],
        on_exit: Callable[[Host, int], None],
    ) -> None:
        """Call `on_message` and `on_exit` on the listening thread."""
        self._spawner = spawner
        self._configure = configure
        self._on_message = on_message
        self._on_exit = on_exit
        self._lock = threading.RLock()
        self._hosts: dict[str, Host] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._exits: queue.SimpleQueue[Host] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="worker-channels", daemon=True)
        self._thread.start()

    def enter(self, key: str, resident: Any, record: Any) -> Host:
        """Give the process for `key`, started when there is none, with `resident` living in it."""
        with self._lock:
            host = self._hosts.get(key)
            if host is None or host.doomed:
                host = self._hosts[key] = self._start(key)
            host.residents[resident] = record
            return host

    def leave(self, host: Host, resident: Any) -> None:
        """`resident` has ended; the process ends with its last one."""
        with self._lock:
            host.residents.pop(resident, None)
            if not host.residents and not host.doomed:
                host.doomed = True
                self._forget(host)
                self._close(host)

    def all(self) -> list[Host]:
        """Give the processes that run."""
        with self._lock:
            return list(self._hosts.values())

    def close(self) -> None:
        """End every process, by its channel first, by force when it does not go."""
        with self._lock:
            hosts = list(self._hosts.values())
            self._hosts.clear()
            self._closing = True
        for host in hosts:
            host.doomed = True
            self._close(host)
        for host in hosts:
            if host.process is not None and not host.process.wait(2.0):
                host.process.kill()
                host.process.wait(2.0)
        self._wake_up()
        self._thread.join()
        self._selector.close()
        self._wake.close()
        self._waker.close()

    def _start(self, key: str) -> Host:
        channel, theirs = Channel.pair()
        host = Host(key, channel)
        host.send(self._configure())
        self._selector.register(channel, selectors.EVENT_READ, host)
        host.process = self._spawner.spawn(
            ENTRY, {}, [theirs], name="ingest-task", on_exit=lambda _process: self._note_exit(host)
        )
        return host

    def _note_exit(self, host: Host) -> None:
        # not handled here: this is the thread on which `spawn` waits for its answer
        self._exits.put(host)
        self._wake_up()

    def _wake_up(self) -> None:
        try:
            self._waker.send(b"x")
        except OSError:
            # closed: nobody listens any more
            pass

    def _exited(self, host: Host) -> None:
        self._hear_last_words(host)
        with self._lock:
            host.doomed = True
            self._forget(host)
            self._unregister(host)
        status = host.process.status if host.process is not None else None
        self._on_exit(host, -9 if status is None else status)

    def _take(self, host: Host, message: Message) -> None:
        if isinstance(message, Imported):
            self._spawner.preload(message.modules)
        else:
            self._on_message(host, message)

    def _hear_last_words(self, host: Host) -> None:
        try:
            while True:
                for message in host.channel.drain():
                    self._take(host, message)
        except ChannelClosed:
            host.channel.close()

    def _forget(self, host: Host) -> None:
        if self._hosts.get(host.key) is host:
            del self._hosts[host.key]

    def _close(self, host: Host) -> None:
        self._unregister(host)
        host.channel.close()

    def _unregister(self, host: Host) -> None:
        try:
            self._selector.unregister(host.channel)
        except (KeyError, ValueError):
            # unregistered before
            pass

    def _listen(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                try:
                    if key.data is None:
                        self._wake.recv(64)
                        while not self._exits.empty():
                            self._exited(self._exits.get())
                    else:
                        for message in key.data.channel.drain():
                            self._take(key.data, message)
                except ChannelClosed:
                    with self._lock:
                        self._unregister(key.data)
                except Exception:
                    log.exception("What a task process said could not be handled")
