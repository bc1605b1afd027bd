"""Who does which work: the leader's decision, as pure functions of what the members report.

`assign_eagerly` deals everything out anew. `assign_incrementally` moves only what has to move: new work
is placed at once, lost work waits for its worker to come back until a delay is over, load is levelled
by revoking first and assigning in the follow-up round that the revoked members ask for, and levelling
rounds that come one after another are spaced further and further apart. Unlike Java's, a worker that is
back gets its work at once instead of when the delay is over.

Time and generations are arguments; what must be known in the next round is an `AssignorState`, which the
leader carries. A leader without one (it has just been elected) starts with `AssignorState()`.

Semantics: Kafka Connect 4.3.1 EagerAssignor and IncrementalCooperativeAssignor. Java iterates over hash
maps where this module goes by sorted member ids, so which of several equal workers gets a task may differ.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from appliance.herder.protocol import CONNECTOR_TASK, NO_WORK, Work
from appliance.ids import ConnectorTaskId

Units = frozenset[ConnectorTaskId]
"""Work as a set; a connector instance is task -1 of its connector."""

_NONE: Units = frozenset()
_BACKOFF_BASE = 40


@dataclass(frozen=True, slots=True)
class AssignorState:
    """What the leader remembers from one round to the next.

    `scheduled_at_ms` is when the running delay ends (0: none runs), `candidates` are the workers that
    came empty while it ran. `successive_revocations` counts levelling rounds without a calm one between.
    """

    previous: Units = _NONE
    revoked: Units = _NONE
    generation: int = -1
    members: frozenset[str] = frozenset()
    revoked_last_round: bool = False
    successive_revocations: int = 0
    candidates: tuple[str, ...] = ()
    scheduled_at_ms: int = 0
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of one round: the increment for each member, and why.

    `owned` is what each member has after it applied its increment; `lost`, `created`, `deleted`,
    `duplicated` and `levelled` are the causes, for the rebalance history.
    """

    added: Mapping[str, Work]
    revoked: Mapping[str, Work]
    owned: Mapping[str, Work]
    delay_ms: int = 0
    lost: Work = NO_WORK
    created: Work = NO_WORK
    deleted: Work = NO_WORK
    duplicated: Work = NO_WORK
    levelled: Work = NO_WORK

    def shares(self) -> dict[str, tuple[Work, Work]]:
        """Give (added, revoked) of each member, as `encode_shares` takes it."""
        return {member: (self.added[member], self.revoked[member]) for member in self.owned}


def assign_eagerly(members: Iterable[str], configured: Work) -> Round:
    """Deal connectors, then tasks, to the sorted members in turn; everyone starts from nothing."""
    loads: dict[str, list[ConnectorTaskId]] = {member: [] for member in sorted(members)}
    turn = itertools.cycle(loads.values())
    tasks = sorted(units_of(configured))
    for unit in sorted(tasks, key=lambda unit: not _is_connector(unit)):
        next(turn).append(unit)
    owned = {member: _work(units) for member, units in loads.items()}
    return Round(owned, dict.fromkeys(owned, NO_WORK), owned, created=_work(tasks))


def assign_incrementally(
    state: AssignorState,
    members: Mapping[str, Work],
    configured: Work,
    *,
    last_generation: int,
    generation: int,
    now_ms: int,
    max_delay_ms: int,
    returned: Mapping[ConnectorTaskId, str] = MappingProxyType({}),
) -> tuple[AssignorState, Round]:
    """Give the next state and the increments.

    `members` holds the work each member reports, `configured` all that should run. `returned` names the
    member that is the worker which last had a unit, come back with empty hands.
    `last_generation` is the last generation whose assignment reached this leader: if it is not the one
    of `state`, that round was never completed and what it decided is forgotten.
    """
    rebalance = _Rebalance(state, members, configured, now_ms, max_delay_ms, returned)
    return rebalance.run(last_generation, generation)


@dataclass(slots=True)
class _Rebalance:
    """One round in the making: the state it will leave and the loads as they are changed."""

    state: AssignorState
    members: Mapping[str, Work]
    configured: Work
    now_ms: int
    max_delay_ms: int
    returned: Mapping[ConnectorTaskId, str]
    next_loads: dict[str, list[ConnectorTaskId]] = field(init=False)
    revoked: dict[str, list[ConnectorTaskId]] = field(init=False)

    def run(self, last_generation: int, generation: int) -> tuple[AssignorState, Round]:
        current = {member: units_of(self.members[member]) for member in sorted(self.members)}
        active = frozenset(itertools.chain.from_iterable(current.values()))
        configured = frozenset(units_of(self.configured))
        previous = self._previous(active, last_generation)
        deleted = previous - configured
        lost = previous - active - deleted
        created = configured - previous - active
        counts = Counter(itertools.chain.from_iterable(current.values()))
        duplicated = frozenset(unit for unit, count in counts.items() if count > 1)

        self.next_loads = {member: list(units) for member, units in current.items()}
        self.revoked = {member: [] for member in current}
        for member, units in current.items():
            self._revoke(member, [u for u in units if u in deleted or u in duplicated])

        to_assign = created | self._recover(lost)
        levelled = self._level(configured)
        _deal(self.next_loads, sorted(to_assign))

        added = {
            member: [u for u in units if u not in current[member]]
            for member, units in self.next_loads.items()
        }
        assigned = frozenset(itertools.chain.from_iterable(self.next_loads.values()))
        revoked = frozenset(itertools.chain.from_iterable(self.revoked.values()))
        next_state = replace(
            self.state,
            previous=(assigned - revoked) | lost,
            revoked=revoked,
            generation=generation,
            members=frozenset(current),
        )
        return next_state, Round(
            added=_works(added),
            revoked=_works(self.revoked),
            owned=_works(self.next_loads),
            delay_ms=self.state.delay_ms,
            lost=_work(sorted(lost)),
            created=_work(sorted(created)),
            deleted=_work(sorted(deleted)),
            duplicated=_work(sorted(duplicated)),
            levelled=_work(sorted(levelled)),
        )

    def _previous(self, active: Units, last_generation: int) -> Units:
        """Give what was assigned before, if that round and its revocations took effect."""
        if self.state.revoked & active:
            return active
        return self.state.previous if self.state.generation == last_generation else _NONE

    def _revoke(self, member: str, units: Iterable[ConnectorTaskId]) -> None:
        gone = dict.fromkeys(units)
        self.revoked[member].extend(gone)
        self.next_loads[member] = [u for u in self.next_loads[member] if u not in gone]

    def _recover(self, lost: Units) -> Units:
        """Give the lost work to be dealt out now; give it to candidates, or run the delay on."""
        state = self.state
        if not lost and not state.revoked_last_round:
            self._end_delay()
            return _NONE
        nobody_left = state.scheduled_at_ms <= 0 and state.members <= self.next_loads.keys()
        if nobody_left or self.max_delay_ms == 0:
            return lost
        back = frozenset(unit for unit in lost if self.returned.get(unit) in self.next_loads)
        for unit in sorted(back):
            self.next_loads[self.returned[unit]].append(unit)
        lost -= back
        if back and not lost:
            self._end_delay()
            return _NONE
        if 0 < state.scheduled_at_ms <= self.now_ms:
            candidates = [name for name in state.candidates if name in self.next_loads]
            self._end_delay()
            self.state = replace(self.state, revoked_last_round=False)
            return self._give_to(candidates, lost) if candidates else lost
        empty = [name for name, units in self.next_loads.items() if not units]
        if self.now_ms < state.scheduled_at_ms:
            delay_ms = min(state.scheduled_at_ms - self.now_ms, self.max_delay_ms)
        else:
            delay_ms = self.max_delay_ms
        self.state = replace(
            state,
            candidates=tuple(dict.fromkeys((*state.candidates, *empty))),
            delay_ms=delay_ms,
            scheduled_at_ms=self.now_ms + delay_ms,
        )
        return _NONE

    def _give_to(self, candidates: list[str], lost: Units) -> Units:
        for of_kind in _by_kind(sorted(lost)):
            for unit, member in zip(of_kind, itertools.cycle(candidates), strict=False):
                self.next_loads[member].append(unit)
        return _NONE

    def _end_delay(self) -> None:
        self.state = replace(self.state, candidates=(), scheduled_at_ms=0, delay_ms=0)

    def _level(self, configured: Units) -> Units:
        """Revoke what stands above the balance, unless a delay runs or begins here."""
        state = self.state
        if state.delay_ms != 0:
            self.state = replace(state, revoked_last_round=False)
            return _NONE
        surplus = _surplus(self.next_loads, configured)
        if not surplus:
            if state.revoked_last_round:
                self.state = replace(state, revoked_last_round=False, successive_revocations=0)
            return _NONE
        if state.revoked_last_round:
            successive = state.successive_revocations + 1
            delay_ms = _backoff_ms(successive, self.max_delay_ms)
            self.state = replace(state, successive_revocations=successive, delay_ms=delay_ms)
            if delay_ms != 0:
                self.state = replace(self.state, scheduled_at_ms=self.now_ms + delay_ms)
                return _NONE
        else:
            self.state = replace(state, revoked_last_round=True)
        for member, units in surplus.items():
            self._revoke(member, units)
        return frozenset(itertools.chain.from_iterable(surplus.values()))


def _backoff_ms(rounds: int, max_delay_ms: int) -> int:
    """Give 40 to the power of `rounds`, at most the delay; 0 where delays are off."""
    if max_delay_ms <= 1:
        return max_delay_ms
    most = math.log(max_delay_ms) / math.log(_BACKOFF_BASE)
    return min(int(_BACKOFF_BASE ** min(rounds, most)), max_delay_ms)


def _surplus(
    loads: Mapping[str, list[ConnectorTaskId]], configured: Units
) -> dict[str, list[ConnectorTaskId]]:
    """Give what each member has above its even share, connectors and tasks apart; no empty entries."""
    if not configured or not any(loads.values()):
        return {}
    surplus: dict[str, list[ConnectorTaskId]] = {}
    for is_kind in _KINDS:
        held = {name: [u for u in units if is_kind(u)] for name, units in loads.items()}
        least, extras = divmod(sum(map(is_kind, configured)), len(loads))
        for member, units in held.items():
            share = least
            if len(units) > least and extras > 0:
                extras -= 1
                share += 1
            if len(units) > share:
                surplus.setdefault(member, []).extend(units[: len(units) - share])
    return surplus


def _deal(loads: Mapping[str, list[ConnectorTaskId]], units: list[ConnectorTaskId]) -> None:
    """Add `units`, each to the least loaded; connectors and tasks are counted apart."""
    for is_kind in _KINDS:
        counts = {name: sum(map(is_kind, held)) for name, held in loads.items()}
        order = sorted(loads, key=lambda name: (counts[name], name))
        waiting = iter([unit for unit in units if is_kind(unit)])
        unit = next(waiting, None)
        while unit is not None:
            floor = counts[order[0]]
            lowest = [name for name in order if counts[name] == floor]
            for member in lowest:
                if unit is None:
                    break
                loads[member].append(unit)
                counts[member] += 1
                unit = next(waiting, None)


def _is_connector(unit: ConnectorTaskId) -> bool:
    return unit.task == CONNECTOR_TASK


def _is_task(unit: ConnectorTaskId) -> bool:
    return unit.task != CONNECTOR_TASK


_KINDS: tuple[Callable[[ConnectorTaskId], bool], ...] = (_is_connector, _is_task)


def _by_kind(units: Iterable[ConnectorTaskId]) -> list[list[ConnectorTaskId]]:
    held = list(units)
    return [[unit for unit in held if is_kind(unit)] for is_kind in _KINDS]


def units_of(work: Work) -> list[ConnectorTaskId]:
    """Give work as units: a connector instance is task -1 of its connector."""
    return [ConnectorTaskId(name, CONNECTOR_TASK) for name in work.connectors] + list(work.tasks)


def _work(units: Iterable[ConnectorTaskId]) -> Work:
    connectors, tasks = _by_kind(units)
    return Work(tuple(unit.connector for unit in connectors), tuple(tasks))


def _works(loads: Mapping[str, list[ConnectorTaskId]]) -> dict[str, Work]:
    return {member: _work(units) for member, units in loads.items()}
