"""`ingest-tui`: reads the command line, then imports only what the first paint needs."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tui.contexts import THEMES

WEB_PORT = 8088


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console until the user leaves it; gives the exit code."""
    # what the start makes stays; the console turns collections on again after its first paint
    gc.disable()
    options = _parser().parse_args(argv)
    if options.web is not None:
        return _serve(options.web, argv if argv is not None else sys.argv[1:])
    if not options.browser and (os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()):
        sys.stderr.write(
            "ingest-tui needs a terminal that can move its cursor; "
            "use ingest-appliance in scripts and plain terminals.\n"
        )
        return 2
    from tui.contexts import ContextError, Contexts, chosen, default_path

    name = options.context
    try:
        contexts = Contexts(options.config or default_path(os.environ), os.environ)
        while True:
            context = chosen(
                os.environ,
                context=name,
                url=None if name else options.url,
                user=options.user,
                cafile=options.cafile,
                contexts=contexts,
            )
            context = context._replace(
                certfile=options.cert or context.certfile,
                keyfile=None if options.cert else context.keyfile,
                read_only=options.read_only or options.browser or context.read_only,
                theme=options.theme or context.theme,
            )
            name, code = _run(context, contexts, options)
            if name is None:
                return code
    except ContextError as error:
        sys.stderr.write(f"ingest-tui: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ingest-tui", description="Console of ingest-appliance.", allow_abbrev=False
    )
    parser.add_argument("--url", help="the daemon's address (default: the current context's)")
    parser.add_argument("--context", help="a context of the config file")
    parser.add_argument("--config", type=Path, help="another file of contexts")
    parser.add_argument(
        "--user",
        help="for basic authentication; INGEST_APPLIANCE_PASSWORD has the password. "
        "INGEST_APPLIANCE_TOKEN has a bearer token to use instead",
    )
    parser.add_argument("--cafile", help="certificate authority of the daemon's TLS certificate")
    parser.add_argument("--cert", help="certificate to show, with its key, as PEM")
    parser.add_argument("--read-only", action="store_true", help="refuse every change")
    parser.add_argument("--theme", choices=THEMES)
    parser.add_argument(
        "--ascii", action="store_true", help="glyphs and frames in ASCII (also INGEST_TUI_ASCII=1)"
    )
    parser.add_argument("--slow", action="store_true", help="paint once a second")
    parser.add_argument(
        "--web",
        type=int,
        nargs="?",
        const=WEB_PORT,
        metavar="PORT",
        help=f"show it in a browser of this host, to read alone (port {WEB_PORT}; needs textual-serve)",
    )
    # a console whose keys come from a browser
    parser.add_argument("--browser", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    return parser


def _serve(port: int, argv: Sequence[str]) -> int:
    """Serve the console to browsers with the other arguments."""
    words = list(argv)
    at = next(at for at, word in enumerate(words) if word.partition("=")[0] == "--web")
    words[at : at + (2 if words[at + 1 : at + 2] == [str(port)] else 1)] = []
    try:
        from tui.web import WebConsole
    except ImportError as error:
        sys.stderr.write(f"ingest-tui: --web needs textual-serve: pip install it. ({error})\n")
        return 2
    WebConsole(port, words).serve()
    return 0


def _run(context: object, contexts: object, options: argparse.Namespace) -> tuple[str | None, int]:
    """Run the console on one context; gives the name of the next one, None at the end, and the exit code."""
    import time

    from tui.app import Console
    from tui.client import Client
    from tui.contexts import Context, ContextError, Contexts
    from tui.feed import Feed
    from tui.keys import remapped
    from tui.model import Model
    from tui.palette import chosen
    from tui.scene import Scene

    assert isinstance(context, Context)  # noqa: S101 - narrows for mypy
    assert isinstance(contexts, Contexts)  # noqa: S101 - narrows for mypy
    model = Model()
    client = Client.of(context)
    feed = Feed(client, model, time.time)
    try:
        keymap = remapped(contexts.keys)
    except ValueError as error:
        raise ContextError(f"The [keys] of {contexts.path}: {error}.") from error
    palette = chosen(context.theme, os.environ, ascii=options.ascii)
    scene = Scene(
        model,
        palette,
        client,
        feed,
        time.time,
        context.name,
        read_only=context.read_only,
        guarded=context.prod,
        colour=context.colour,
        # who reads in a browser goes to no other daemon with the secrets of this file
        contexts=None if options.browser else contexts,
        in_browser=options.browser,
        keymap=keymap,
    )
    over_ssh = "SSH_CONNECTION" in os.environ
    flush_s = 1.0 if options.slow else 0.5 if over_ssh else 0.25
    console = Console(scene, flush_s)
    name = console.run(mouse=not options.no_mouse)
    # an error that ended it has been printed
    return name, console.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
