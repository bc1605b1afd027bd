"""A text to edit: the payload of a dead letter before it is sent again."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import TextArea
from textual.widgets.text_area import Document

from tui import keys
from tui.scene import Scene
from tui.screens.dialogs import Dialog
from tui.widgets.frame import subtitle


def keeps(text: str) -> bool:
    """Tell whether the editor gives a text back as it was: it makes all ends of lines the same."""
    return Document(text).text == text


class EditText(Dialog):
    """Gives the text as it was left, None when the user gave up."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.named(keys.EDITOR_KEYS, priority=True)]
    DEFAULT_CSS: ClassVar[str] = """
    EditText TextArea { height: 1fr; border: none; }
    """

    def __init__(self, scene: Scene, title: str, text: str) -> None:
        super().__init__(scene, title)
        self._text = text

    def compose(self) -> ComposeResult:
        """Give the text."""
        with Vertical(classes="panel full"):
            yield TextArea(self._text, theme="css")

    def on_mount(self) -> None:
        """Colour it."""
        panel = self.query_one(Vertical)
        self.dress(panel)
        subtitle(panel, "ctrl+s replay it so  Esc leave")
        area = self.query_one(TextArea)
        area.styles.background = self.scene.palette.background
        area.styles.color = self.scene.palette.text
        area.focus()

    def action_done(self) -> None:
        """Give the text."""
        self.dismiss(self.query_one(TextArea).text)
