"""The console's parts on their own: filters, contexts, sorting, lanes, letters, calls."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import pytest
from rich.cells import cell_len

from tests.certificates import certified
from tests.tui.still import (
    NOW_MS,
    W1,
    W2,
    StillClient,
    rebalance,
    rebalances,
    still,
    until,
)
from tui import keys, palette
from tui.calls import Call, done_words, send, verb_of
from tui.chrome import title
from tui.client import AnswerError, Client, UnreachableError
from tui.commands import Completion
from tui.contexts import THEMES, ContextError, Contexts
from tui.filters import Filter
from tui.lanes import lanes
from tui.model import Model, reason
from tui.palette import DARK
from tui.places import place_text
from tui.revisions import changes, restored
from tui.scene import Scene
from tui.screens.finder import rank
from tui.screens.offsets import moved_text
from tui.text import fit, magnitude, middle, package
from tui.veil import veiled

ROW = {"connector": "orders-hdfs", "state": "FAILED", "worker": "w2", "lag": 1500.0, "error": None}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", True),
        ("hdfs", True),
        ("HDFS failed", True),
        ("!hdfs", False),
        ("/ord.*s/", True),
        ("/(/", False),
        ("state:fail", True),
        ("worker:w1", False),
        ("lag>1k", True),
        ("lag<1k", False),
        ("error>1", False),
        ("hdfs lag>2k", False),
    ],
)
def test_row_is_kept_when_every_word_holds(text, wanted):
    """Words, exclusions, expressions, named fields and comparisons all have to hold."""
    assert Filter(text).matches(ROW) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("level:warn", ["WARN", "ERROR"]),
        ("level:w", ["WARN", "ERROR"]),
        ("level:", ["DEBUG", "INFO", "WARN", "ERROR"]),
        ("!level:info", ["DEBUG"]),
        ("level:nope", []),
    ],
)
def test_line_is_kept_when_its_level_is_at_least_the_filter_s(text, wanted):
    """Who looks for warnings wants the errors too; a level that is half typed counts already."""
    levels = ("DEBUG", "INFO", "WARN", "ERROR")
    assert [level for level in levels if Filter(text).matches({"level": level})] == wanted


def test_cells_sort_by_size_when_they_hold_numbers():
    """4.1k comes after 941, 3h 7m after 12s; what has no value comes first."""
    assert sorted(["4.1k", "941", "-", "36.9k"], key=magnitude) == ["-", "941", "4.1k", "36.9k"]
    assert sorted(["3h 7m", "12s", "5m"], key=magnitude) == ["12s", "5m", "3h 7m"]
    assert sorted(["b", "a"], key=magnitude) == ["a", "b"]


def test_reason_is_the_innermost_cause_when_a_trace_is_given():
    """One line says what went wrong, without packages."""
    trace = "a.b.ConnectException: x\n\tat y\nCaused by: a.c.DataException: z\n\tat y\n"
    assert reason(trace) == "DataException: z"
    assert reason("Boom: disk full") == "Boom: disk full"
    assert reason(None) is None


@pytest.mark.parametrize("text", ["orders", "注文テーブル", "a" * 30, "café é", ""])
def test_cell_has_its_width_when_letters_are_wide(text):
    """Wide and combining letters do not push the next column."""
    assert cell_len(fit(text, 9)) == 9
    assert cell_len(fit(text, 9, right=True)) == 9


def test_patch_holds_what_differs_when_a_configuration_was_edited():
    """Changed and new keys with their values, keys that go with null."""
    assert changes({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}) == {
        "b": "4",
        "d": "5",
        "c": None,
    }


def test_secrets_stay_when_a_former_configuration_comes_back():
    """What the journal hides is kept; what differs in more than its secret is named."""
    now = {"a": "1", "db.password": "pw", "url": "db://u:pw@new", "old.url": "db://u:pw@h"}
    former = {
        "a": "2",
        "db.password": "[hidden]",
        "url": "db://u:[hidden]@old",
        "old.url": "db://u:[hidden]@h",
        "gone.secret": "[hidden]",
    }
    kept, lost = restored(now, former)
    assert changes(now, kept) == {"a": "2"}
    assert lost == ["url", "gone.secret"]


@pytest.mark.parametrize(
    ("letters", "better", "worse"),
    [
        ("oh", "orders-hdfs", "mongo-hdfs"),
        ("hdfs", "orders-hdfs", "orders-h-d-f-s"),
        ("ord", "orders", "records"),
    ],
)
def test_better_fit_stands_first_when_both_have_the_letters(letters, better, worse):
    """Beginnings of parts and letters in a row count; the order of letters must hold."""
    assert (rank(letters, better) or 0) > (rank(letters, worse) or 0)
    assert rank("sdro", "orders") is None


@pytest.mark.parametrize(
    ("name", "type_", "value", "shown"),
    [
        ("database.password", "", "pw", "••••••"),
        ("anything", "password", "pw", "••••••"),
        ("database.password", "", "${dir:/run:pw}", "${dir:/run:pw}"),
        (
            "connection.url",
            "",
            "jdbc:mysql://h/db?user=a&password=b",
            "jdbc:mysql://h/db?user=a&password=••••••",
        ),
        ("hdfs.url", "", "http://ana:pw@h:1/x", "http://ana:••••••@h:1/x"),
        ("ssl.keystore.location", "", "/k", "/k"),
        ("topics", "", "a,b", "a,b"),
        ("ssl.key.password", "", "", ""),
    ],
)
def test_secret_is_dots_when_a_value_is_shown(name, type_, value, shown):
    """By declared type or name; references to providers and the rest of an address stay readable."""
    assert veiled(name, value, type_, ascii=False) == shown


def test_places_are_short_when_their_kind_is_known():
    """A sink's partition, a binlog position, anything else."""
    assert place_text({"kafka_topic": "t", "kafka_partition": 3}) == "t/3"
    assert place_text({"file": "bin.1", "pos": 4, "gtids": "g:1-2"}) == "bin.1:4 gtids=g:1-2"
    assert place_text({"position": 7}) == "{position: 7}"
    assert place_text(None) == "-"


@pytest.mark.parametrize(
    ("short", "text", "width", "wanted"),
    [
        (middle, "FileStreamSink 4.3.1", 18, "FileStre…ink 4.3.1"),
        (middle, "InsertField$Value", 17, "InsertField$Value"),
        (middle, "宽宽宽宽宽宽", 9, "宽宽…宽宽"),
        (middle, "abcdef", 3, "ab…"),
        (package, "org.apache.kafka.connect.json", 29, "org.apache.kafka.connect.json"),
        (package, "org.apache.kafka.connect.json", 24, "o.a.kafka.connect.json"),
        (package, "org.apache.kafka.connect.transforms", 18, "o.a.k.c.transforms"),
        (package, "org.apache.kafka.connect.transforms", 13, "o.a.k.…sforms"),
        (package, "", 9, ""),
    ],
)
def test_name_keeps_beginning_and_end_when_it_is_too_long(short, text, width, wanted):
    """A version or a kind at the end stays whole; a package gives up its first words first."""
    assert short(text, width) == wanted
    assert cell_len(short(text, width)) <= width


@pytest.mark.parametrize(
    ("events", "length", "direction", "eta_s", "wanted"),
    [
        (
            12_400_000,
            1 << 30,
            "again",
            540.0,
            "12.4M events, 1.0G of what it reads again, about 9m at 23.0k/s",
        ),
        (3, None, "again", None, "3 events again"),
        (None, 4096, "left out", None, "4k of what it reads left out"),
        (None, 58, "again", None, "58 bytes of what it reads again"),
        (0, None, None, None, ""),
        (None, None, None, None, ""),
    ],
)
def test_altered_offset_says_what_comes_again(events, length, direction, eta_s, wanted):
    """How many events, how much of the source's log, and how long; what is not known is left out."""
    entry = {"events": events, "bytes": length, "direction": direction, "eta_s": eta_s}
    assert moved_text(entry) == wanted


def scene() -> Scene:
    app = still(DARK)
    app.scene.model.take_workers(
        {"id": worker, "state": "up", "connectors": 1, "tasks": 10} for worker in (W1, W2)
    )
    return app.scene


def test_lane_prints_a_number_where_it_changes():
    """Numbers stand where they change, with a square where a worker left; its return is marked."""
    lines = lanes(scene(), rebalances(), NOW_MS / 1000, 100).text.plain.splitlines()
    assert lines[0].startswith("w1    10 10")
    assert "20" in lines[0]
    assert "■ 0" in lines[1]
    assert "+10" in lines[1]
    assert "10 wait" in lines[2]
    assert [number for number in ("40", "41", "42", "44") if number not in lines[3]] == []


def test_older_number_gives_way_when_two_would_touch():
    """Held 1, then 3 a moment later: no 13."""
    short = [rebalance(12, 295, (3, 3)), rebalance(11, 302, (1, 3)), rebalance(10, 500, (5, 3))]
    lane = lanes(scene(), short, NOW_MS / 1000, 100).text.plain.splitlines()[0]
    assert "13" not in lane
    assert lane.count("3") == lane.count("5") == 1


def test_numbers_are_whole_when_a_worker_has_just_gone_and_come_back():
    """All within the last cell: the newest number of each lane stands at its end, behind what it was."""
    just_now = [
        rebalance(42, 0, (10, 10)),
        rebalance(41, 1, (20,), left=[W2]),
        rebalance(40, 300, (10, 10)),
    ]
    for count in (3, 2):
        lines = lanes(scene(), just_now[-count:], NOW_MS / 1000, 100).text.plain.splitlines()
        wanted = ("10", "■+10") if count == 3 else ("20", "■ 0")
        assert (lines[0].endswith(wanted[0]), lines[1].endswith(wanted[1])) == (True, True)


DIED = {"kind": "died", "worker": W2, "detail": f"{W2} died; its 10 tasks wait 60 s"}
REJOINED = {"kind": "rejoined", "worker": W2, "detail": f"{W2} was restarted and is back"}


@pytest.mark.parametrize("since_s", [2, 60, 400, 590])
def test_death_stays_marked_when_the_worker_is_back_at_once(since_s):
    """Two seconds later it has its tasks again: a cross tells of it while that moment is shown."""
    then = [
        rebalance(42, since_s - 2, (10, 10)),
        rebalance(41, since_s, (20,), left=[W2], cause=DIED),
        rebalance(40, 900, (10, 10)),
    ]
    lane = lanes(scene(), then, NOW_MS / 1000, 100).text.plain.splitlines()[1]
    assert "✗+10" in lane


def test_lane_tells_death_from_leaving_and_from_a_quick_return():
    """A cross, a square, and a turn where the group made no generation without the worker."""
    before = rebalance(40, 500, (10, 10))
    for last, mark in (
        (rebalance(41, 200, (10,), left=[W2], cause=DIED), "✗ 0"),
        (rebalance(41, 200, (10,), left=[W2]), "■ 0"),
        (rebalance(41, 200, (10, 10), cause=REJOINED), "↻ 10"),
    ):
        lane = lanes(scene(), [last, before], NOW_MS / 1000, 100).text.plain.splitlines()[1]
        assert mark in lane


def test_number_stays_whole_when_a_generation_follows_that_changes_nothing():
    """Held 12 and still 12 a moment later: no 1."""
    short = [rebalance(11, 295, (12, 3)), rebalance(10, 302, (12, 3))]
    lane = lanes(scene(), short, NOW_MS / 1000, 100).text.plain.splitlines()[0]
    assert "12" in lane


def test_wait_counts_down_when_it_is_not_over():
    """A running delay says how long it still is."""
    waiting = rebalance(
        41, 10, (10,), left=[W2], lost=["a-0"], phase="waiting", delay_until=NOW_MS + 50_000
    )
    lines = lanes(scene(), [waiting, rebalance(40, 900, (10, 10))], NOW_MS / 1000, 100)
    assert "1 wait 50 s" in lines.text.plain


FILE = """
current = "lab"
[contexts.lab]
url = "http://lab:8083"
[contexts.prod]
url = "https://prod:8443"
user = "ana"
password_file = "{secret}"
prod = true
[contexts.odd]
color = "red"
"""


@pytest.fixture
def contexts(tmp_path) -> Contexts:
    secret = tmp_path / "secret"
    secret.write_text("pw\n")
    secret.chmod(0o600)
    file = tmp_path / "contexts.toml"
    file.write_text(FILE.format(secret=secret))
    return Contexts(file, {})


def test_context_has_its_password_when_the_file_is_the_user_s_own(contexts, tmp_path):
    """Passwords come from a file that nobody else can read."""
    assert (contexts.current, contexts.names) == ("lab", ["lab", "prod", "odd"])
    found = contexts.get("prod")
    assert (found.user, found.password, found.prod) == ("ana", "pw", True)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ContextError, match="chmod 600"):
        contexts.get("prod")


def test_context_is_refused_when_it_is_unknown_or_has_unknown_keys(contexts):
    """The message names what there is."""
    with pytest.raises(ContextError, match="there are: lab, prod, odd"):
        contexts.get("nowhere")
    with pytest.raises(ContextError, match="unknown color"):
        contexts.get("odd")


def test_no_contexts_are_known_when_there_is_no_file(tmp_path):
    """A missing file is no error."""
    assert Contexts(tmp_path / "none.toml", {}).names == []


def test_title_says_prod_when_the_context_is_guarded():
    """A word tells production from a test, not colour alone."""
    guarded = scene()
    guarded.guarded = True
    assert "PROD appliance-01" in title(guarded, NOW_MS / 1000, 120, frozen=False).plain
    assert "PROD" not in title(scene(), NOW_MS / 1000, 120, frozen=False).plain


async def test_call_is_tried_again_when_a_rebalance_is_under_way(monkeypatch):
    """409 is waited out and said; other refusals are not."""
    monkeypatch.setattr("tui.calls._PAUSE_S", 0.01)
    client = StillClient({"PUT /connectors/a/pause": AnswerError(409, "rebalance")})
    said: list[str] = []

    async def over() -> None:
        await until(lambda: said)
        client.answers["PUT /connectors/a/pause"] = {}

    call = Call("PUT", "/connectors/a/pause")
    _, answer = await asyncio.gather(over(), send(client, call, said.append))
    assert answer == {}
    assert "trying again" in said[0]
    with pytest.raises(AnswerError):
        await send(client, Call("PUT", "/connectors/b/pause"), said.append)


def test_curl_is_ready_to_paste_when_a_call_is_copied():
    """The command repeats the call, quoted."""
    call = Call("PATCH", "/connectors/a/config", {"tasks.max": "2"})
    assert call.curl("http://h:8083/") == (
        "curl -X PATCH -H 'Content-Type: application/json' "
        """-d '{"tasks.max": "2"}' http://h:8083/connectors/a/config"""
    )


def test_two_workers_keep_their_names_when_one_leaves_and_returns():
    """w2 stays w2, so that lanes and rows can be followed."""
    model = Model()
    both = [{"id": worker, "connectors": 0, "tasks": 0} for worker in (W1, W2)]
    model.take_workers(both)
    model.take_workers(both[:1])
    assert model.nicknames == {W1: "w1", W2: "w2"}
    model.take_workers(both)
    assert [model.nicknames[worker.id] for worker in model.workers] == ["w1", "w2"]


@pytest.mark.parametrize("wanted", [{"nowhere": "H"}, {"help": ""}])
def test_keys_are_refused_when_they_or_their_names_are_unknown(wanted):
    """The message says what is wrong; for a name, which there are."""
    with pytest.raises(ValueError, match=r"nowhere; there are .*help|help wants a key"):
        keys.remapped(wanted)


async def test_private_authority_and_password_are_used_when_given(tmp_path):
    """TLS with a private CA and basic authentication; without the CA the message says what to do."""
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    for file, text in zip((certificate, key), certified("127.0.0.1"), strict=True):
        file.write_bytes(text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        client = Client(url, str(certificate), user="ana", password="secret")
        assert await client.get("/") == {}
        with pytest.raises(UnreachableError, match="--cafile"):
            await Client(url).get("/")
        # the server's side of the refused handshake ends a moment later
        # CPython's own count, which its stubs do not know
        counted: Any = server
        await until(lambda: not counted._active_count)
    assert "Authorization: Basic YW5hOnNlY3JldA==" in asked[0]


@pytest.mark.parametrize(
    ("who", "needs", "wanted"),
    [
        ({}, "administer", None),
        ({"role": "administer"}, "administer", None),
        ({"principal": "ana", "role": "operate"}, "operate", None),
        ({"principal": "ana", "role": "operate"}, "administer", "ana the role operate"),
        ({"principal": "ana", "role": "view"}, "operate", "needs the role operate"),
        ({"read_only": True}, "operate", "you the role view"),
    ],
)
def test_action_is_refused_when_the_role_is_too_low(who, needs, wanted):
    """The daemon's word on the user decides what keys do, and the refusal says what is missing."""
    found = scene()
    found.who = who
    said = found.refusal(needs)
    assert said is None if wanted is None else wanted in str(said)


def test_console_refuses_when_there_is_no_terminal(capsys):
    """A pipe gets a sentence and exit code 2."""
    from tui.__main__ import main

    assert main(["--url", "http://127.0.0.1:1"]) == 2 or sys.stdout.isatty()
    assert "ingest-appliance" in capsys.readouterr().err


def test_theme_is_refused_when_there_is_none_of_the_name(tmp_path, capsys):
    """Of the command line and of a context, with the names that there are."""
    from tui.__main__ import main

    assert [theme.name for theme in palette.THEMES] == list(THEMES)
    with pytest.raises(SystemExit) as ended:
        main(["--theme", "nope"])
    assert ended.value.code == 2
    assert "blue-orange" in capsys.readouterr().err
    file = tmp_path / "contexts.toml"
    file.write_text('[contexts.a]\nurl = "http://a:1"\ntheme = "nope"\n')
    with pytest.raises(ContextError, match=r"no theme nope; there are dark, .*mono"):
        Contexts(file, {}).get("a")


URL = "http://h:8083"


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (Call("PUT", "/connectors/a%20b/pause"), f"pause 'a b' --url {URL}"),
        (Call("DELETE", "/connectors/a"), f"delete a --url {URL}"),
        (Call("POST", "/connectors/a/tasks/3/restart"), f"restart a --task 3 --url {URL}"),
        (
            Call("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=false"),
            f"restart a --tasks all --url {URL}",
        ),
        (
            Call("PATCH", "/connectors/a/config", {"x": "1 2", "y": None}),
            f"patch a --set 'x=1 2' --remove y --url {URL}",
        ),
        (Call("PUT", "/admin/loggers/x", {"level": "DEBUG"}), None),
        (Call("PATCH", "/connectors/a/offsets", {"offsets": []}), None),
    ],
)
def test_call_is_a_verb_when_one_sends_it(call, wanted):
    """What was done by a key can be done again by a script."""
    found = verb_of(call, URL)
    assert found is None if wanted is None else found == f"ingest-appliance {wanted}"


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("w", "workers"),
        ("theme l", "theme light"),
        ("connectors orders-2", "connectors orders-2"),
        ("tasks ord", "tasks orders-0"),
        ("nothing", None),
        ("", None),
    ],
)
async def test_command_completes_when_it_is_begun(typed, wanted):
    """Views, themes, workers and connectors complete."""
    assert await Completion(scene()).get_suggestion(typed) == wanted


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("PUT", "/connectors/a%20b/pause"), "paused a b"),
        (Call("POST", "/connectors", {"name": "new"}), "created new"),
        (Call("POST", "/connectors/a/tasks/3/restart"), "restarted task 3 of a"),
        (
            Call("POST", "/connectors/a/restart?includeTasks=true&onlyFailed=true"),
            "restarted what failed of a",
        ),
        (Call("DELETE", "/connectors/a"), "deleted a"),
        (Call("PATCH", "/connectors/a/offsets", {}), "altered the offsets of a"),
        (Call("PUT", "/admin/loggers/x", {}), "PUT /admin/loggers/x: done"),
    ],
)
def test_change_is_told_in_plain_words_when_it_is_done(call, words):
    """Who did it reads what happened to which connector; what has no word stays a call."""
    assert done_words(call) == words
