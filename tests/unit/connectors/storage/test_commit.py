"""The commit protocol on a local folder, with a crash before every single step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.connectors.files.store import LocalStore
from appliance.connectors.storage.commit import Committer, FinishedFile
from appliance.connectors.storage.store import FencedError, StoreError
from appliance.ids import TopicPartition

PARTITION = TopicPartition("shop", 0)


class Crash(BaseException):
    """The process died."""


class CrashingStore(LocalStore):
    """Dies before (or right after) its `steps`-th change."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self._left = steps
        self._after = after

    def _step(self, change: Any, *arguments: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Crash
        if self._left == 0 and not self._after:
            raise Crash
        result = change(*arguments)
        if self._left == 0:
            raise Crash
        return result

    def upload(self, local: Path, path: str) -> int:
        return int(self._step(super().upload, local, path))

    def create(self, path: str, data: bytes) -> bool:
        return bool(self._step(super().create, path, data))

    def rename(self, source: str, target: str) -> None:
        self._step(super().rename, source, target)

    def delete(self, path: str) -> None:
        self._step(super().delete, path)


def committer(store: LocalStore, root: Path) -> Committer:
    return Committer(store, PARTITION, f"{root}/topics", f"{root}/logs")


def finished(root: Path, start: int, end: int, folder: str) -> FinishedFile:
    local = root / f"spool-{start}-{folder}.json"
    local.write_text("".join(f"{n}\n" for n in range(start, end + 1)))
    return FinishedFile(
        local,
        f"{root}/topics/shop/{folder}/shop+0+{start:04d}+{end:04d}.json",
        start,
        end,
        local.stat().st_size,
    )


def visible(root: Path) -> list[int]:
    found = []
    for path in (root / "topics" / "shop").rglob("shop+*"):
        found += [int(line) for line in path.read_text().split()]
    return sorted(found)


def write_from(store: LocalStore, root: Path, start: int) -> None:
    """Go on at `start` up to 8, two offsets a rotation, each in two folders."""
    writer = committer(store, root)
    start = writer.recover() or start
    while start < 8:
        writer.commit(
            [finished(root, start, start, "a"), finished(root, start + 1, start + 1, "b")]
        )
        start += 2


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(1, 40))
def test_every_record_is_there_once_when_the_process_dies_at_any_step(
    tmp_path: Path, steps: int, after: bool
) -> None:
    """Neither loss nor duplicate, wherever the crash hits, recovery included."""
    for _ in range(2):
        try:
            write_from(CrashingStore(steps, after=after), tmp_path, 0)
        except Crash:
            continue
    write_from(LocalStore(), tmp_path, 0)
    assert visible(tmp_path) == list(range(8))


def test_former_owner_writes_nothing_when_a_new_one_took_over(tmp_path: Path) -> None:
    """A task that still runs after its partition moved on cannot commit any more."""
    zombie = committer(LocalStore(), tmp_path)
    zombie.recover()
    zombie.commit([finished(tmp_path, 0, 1, "a")])
    owner = committer(LocalStore(), tmp_path)
    assert owner.recover() == 2
    with pytest.raises(FencedError):
        zombie.commit([finished(tmp_path, 2, 3, "a")])
    owner.commit([finished(tmp_path, 2, 4, "a")])
    assert visible(tmp_path) == [0, 1, 2, 3, 4]


def test_zombies_upload_is_lost_when_it_was_under_way_while_fenced(tmp_path: Path) -> None:
    """A file staged before the take-over never becomes visible."""

    class TakenOver(LocalStore):
        def upload(self, local: Path, path: str) -> int:
            length = super().upload(local, path)
            assert committer(LocalStore(), tmp_path).recover() is None
            return length

    zombie = committer(TakenOver(), tmp_path)
    zombie.recover()
    with pytest.raises(FencedError):
        zombie.commit([finished(tmp_path, 0, 1, "a")])
    assert visible(tmp_path) == []


def test_position_is_kept_when_committed_files_are_moved_away(tmp_path: Path) -> None:
    """Whoever collects finished files does not cause them to be written again."""
    write_from(LocalStore(), tmp_path, 0)
    committer(LocalStore(), tmp_path).recover()
    for path in (tmp_path / "topics" / "shop").rglob("shop+*"):
        path.unlink()
    assert committer(LocalStore(), tmp_path).recover() == 8


def test_partition_is_begun_anew_when_its_files_and_log_folder_are_moved_away(
    tmp_path: Path,
) -> None:
    """What was left behind where files are staged does not bar the next owner."""
    store = LocalStore()
    for start in (0, 4):
        write_from(store, tmp_path, start)
    (tmp_path / "topics" / "shop").rename(tmp_path / "former")
    (tmp_path / "logs").rename(tmp_path / "former-logs")
    writer = committer(store, tmp_path)
    assert writer.recover() is None
    writer.commit([finished(tmp_path, 0, 0, "a"), finished(tmp_path, 1, 1, "b")])
    assert visible(tmp_path) == [0, 1]


def test_commit_goes_on_when_the_store_fails_for_a_while(tmp_path: Path) -> None:
    """The same files are offered again after a store error and appear once."""

    class Flaky(LocalStore):
        fails = 3

        def rename(self, source: str, target: str) -> None:
            super().rename(source, target)
            if target.endswith(".json") and Flaky.fails:
                Flaky.fails -= 1
                raise StoreError("the answer was lost")

    writer = committer(Flaky(), tmp_path)
    writer.recover()
    files = [
        finished(tmp_path, 0, 0, "a"),
        finished(tmp_path, 1, 1, "b"),
        finished(tmp_path, 2, 2, "c"),
    ]
    for _ in range(3):
        with pytest.raises(StoreError):
            writer.commit(files)
    writer.commit(files)
    assert visible(tmp_path) == [0, 1, 2]
