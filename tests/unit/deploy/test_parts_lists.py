"""The pinned lists and what is made of them."""

from __future__ import annotations

import pytest

from deploy.parts.folder import PartError, obtain
from deploy.parts.jars import Pin, read_pins


@pytest.mark.parametrize(
    ("path", "coordinate"),
    [
        ("org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar", "org.slf4j:slf4j-api:1.7.36:jar:"),
        (
            (
                "io/debezium/debezium-connector-mysql/3.6.1.Final/"
                "debezium-connector-mysql-3.6.1.Final-plugin.tar.gz"
            ),
            "io.debezium:debezium-connector-mysql:3.6.1.Final:tar.gz:plugin",
        ),
    ],
)
def test_coordinate_names_all_parts_when_path_has_classifier_or_not(path, coordinate):
    """A path in Maven's layout gives the coordinate by which clients fetch it."""
    assert Pin("", 0, path).coordinate == coordinate


@pytest.mark.parametrize(
    ("name", "files"),
    [("broker-jars", 39), ("hdfs-jars", 65), ("connect-jars", 93), ("debezium-plugins", 2)],
)
def test_list_has_no_file_name_twice_when_laid_out_flat(name, files):
    """All files of a list go into one folder: no name may come twice."""
    pins = read_pins(name)
    assert len({pin.file_name for pin in pins}) == len(pins) == files


def test_obtain_builds_once_and_resumes_when_first_try_failed(tmp_path, monkeypatch):
    """A failed build leaves its scratch for the next try; a finished part is not built again."""
    monkeypatch.setenv("INGEST_PARTS", str(tmp_path))
    tries: list[list[str]] = []

    def build(scratch):
        tries.append(sorted(path.name for path in scratch.iterdir()))
        (scratch / "one").touch()
        if len(tries) == 1:
            raise PartError("the network is away")

    with pytest.raises(PartError, match="network is away"):
        obtain("thing", "1", build)
    assert not (tmp_path / "thing").exists()
    assert obtain("thing", "1", build) == obtain("thing", "1", build) == tmp_path / "thing"
    assert tries == [[], ["one"]]
